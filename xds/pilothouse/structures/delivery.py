"""Something that is told to many, until the last of them has confirmed it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

#: What one of those who are told has yet to confirm. Shared while it is one delivery, so it takes no room.
Deliveries: TypeAlias = "tuple[Delivery, ...]"

# Somebody who never confirms holds no more than so many that nobody waits for any more.
_MOST_ENDED = 64


class Delivery:
    """Counts those who were told and have not confirmed.

    Whoever tells counts, too, until `told_all`: the first may have confirmed before the last is told. Then
    `ended` is called once, when nobody is left, unless the delivery was given up before. To be told and to
    confirm happens at each push to each stream, so these are a few additions.
    """

    __slots__ = ("_ended", "alone", "confirmed_at", "live", "refused", "unconfirmed")

    def __init__(self, ended: Callable[[Delivery], None]) -> None:
        self._ended = ended
        self.unconfirmed = 1
        #: When somebody confirmed last; None if nobody has: all may have left, or have had it before.
        self.confirmed_at: float | None = None
        self.refused = 0
        #: Whether anybody waits for the end of it.
        self.live = True
        self.alone: Deliveries = (self,)

    def told_all(self) -> None:
        """Nobody else will be told."""
        withdrawn(self.alone or (self,))

    def give_up(self) -> None:
        """Wait no longer for those who have not confirmed."""
        self.live = False
        self.alone = ()  # a circle, which only the collector would find

    def end(self) -> None:
        """Nobody is left who has not confirmed."""
        if self.live:
            self.give_up()
            self._ended(self)


def told(before: Deliveries, delivery: Delivery) -> Deliveries:
    """What somebody has yet to confirm, who is told of one more."""
    delivery.unconfirmed += 1
    if not before:
        return delivery.alone or (delivery,)
    if len(before) % _MOST_ENDED == 0:
        before = tuple(each for each in before if each.live)
    return (*before, delivery)


def confirmed(deliveries: Deliveries, now: float) -> None:
    """Somebody has them."""
    for each in deliveries:
        each.confirmed_at = now
        each.unconfirmed -= 1  # not a call for each: this happens at each ACK
        if not each.unconfirmed:
            each.end()


def refused(deliveries: Deliveries, now: float) -> None:
    """Somebody does not want them, and has said so."""
    for each in deliveries:
        each.refused += 1
    confirmed(deliveries, now)


def withdrawn(deliveries: Iterable[Delivery]) -> None:
    """Somebody who was told has nothing to confirm, or is gone."""
    for each in deliveries:
        each.unconfirmed -= 1
        if not each.unconfirmed:
            each.end()
