"""Something that is delivered to many recipients, until the last of them has confirmed it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

#: The deliveries that one recipient has yet to confirm. Recipients share the tuple while it has one item.
Deliveries: TypeAlias = "tuple[Delivery, ...]"

# A recipient that never confirms keeps at most so many deliveries that have ended.
_MOST_ENDED = 64
_MOST_REFUSERS = 10
_MOST_ANSWERS = 50


class Refusal(NamedTuple):
    """When a recipient rejected a delivery, and in which words."""

    at: float
    why: str


class Delivery:
    """Counts the recipients that have not confirmed yet.

    The sender counts as a recipient until it calls `told_all`, because the first recipient may confirm before
    the last one is told. When the count reaches 0, `ended` is called once, unless the delivery was given up
    before. Each push to each stream calls `told` and `confirmed`, so both are a few additions.
    """

    __slots__ = (
        "_ended",
        "about",
        "alone",
        "answers",
        "begun_at",
        "changes",
        "confirmed_at",
        "confirmed_by",
        "left",
        "live",
        "over_at",
        "proxies",
        "recipients",
        "refused",
        "refusers",
        "since",
        "telling",
        "unconfirmed",
    )

    def __init__(
        self,
        ended: Callable[[Delivery], None],
        about: tuple[object, ...] = (),
        changes: int = 1,
        since: float = 0.0,
    ) -> None:
        self._ended = ended
        #: How many changes it carries, and when the first of them was heard of, by the clock of recipients.
        self.changes, self.since = changes, since
        #: What it is about, if that is little enough to say.
        self.about = about
        self.unconfirmed = 1
        #: Whether the sender has yet to tell some recipients.
        self.telling = True
        #: How many were told, and how many of them have gone or needed nothing.
        self.recipients = self.left = 0
        #: How many clients the recipients belong to. The sender counts them.
        self.proxies = 0
        #: When the sender began to tell recipients, and when the end was there or was not awaited any more.
        self.begun_at: float | None = None
        self.over_at: float | None = None
        #: When the last confirmation came. None without any: recipients may have left, or needed nothing.
        self.confirmed_at: float | None = None
        #: Who sent it.
        self.confirmed_by = ""
        #: The last confirmations, which took longest: who, and when.
        self.answers: deque[tuple[str, float]] = deque(maxlen=_MOST_ANSWERS)
        self.refused = 0
        #: The first that rejected it, by name.
        self.refusers: dict[str, Refusal] = {}
        #: Whether the end of the delivery is still awaited.
        self.live = True
        self.alone: Deliveries = (self,)

    def told_all(self) -> None:
        """The sender has told all recipients."""
        self.telling = False
        self.unconfirmed -= 1
        if not self.unconfirmed:
            self.end()

    @property
    def outstanding(self) -> int:
        """How many recipients have not answered yet."""
        return self.unconfirmed - self.telling

    @property
    def acknowledged(self) -> int:
        """How many recipients have confirmed without rejecting."""
        return self.recipients - self.outstanding - self.refused - self.left

    def give_up(self) -> None:
        """Stop waiting for confirmations."""
        self.live, self.over_at = False, time.monotonic()
        self.alone = ()  # breaks a reference cycle, which only the garbage collector would find

    def end(self) -> None:
        """Every recipient has confirmed or is gone."""
        if self.live:
            self.give_up()
            self._ended(self)


def told(before: Deliveries, delivery: Delivery) -> Deliveries:
    """Add a delivery to those that one recipient has yet to confirm, and return all of them."""
    delivery.unconfirmed += 1
    delivery.recipients += 1
    if not before:
        return delivery.alone or (delivery,)
    if len(before) % _MOST_ENDED == 0:
        before = tuple(each for each in before if each.live)
    return (*before, delivery)


def confirmed(deliveries: Deliveries, now: float, by: str = "") -> None:
    """A recipient confirms these deliveries."""
    for each in deliveries:
        each.confirmed_at, each.confirmed_by = now, by
        each.answers.append((by, now))
        each.unconfirmed -= 1  # inline instead of a call for each, because this happens at each ACK
        if not each.unconfirmed:
            each.end()


def refused(deliveries: Deliveries, now: float, by: str = "", why: str = "") -> None:
    """A recipient rejects these deliveries."""
    for each in deliveries:
        each.refused += 1
        if len(each.refusers) < _MOST_REFUSERS and by not in each.refusers:
            each.refusers[by] = Refusal(now, why)
    confirmed(deliveries, now, by)


def withdrawn(deliveries: Iterable[Delivery]) -> None:
    """A recipient has nothing to confirm, or is gone."""
    for each in deliveries:
        each.unconfirmed -= 1
        each.left += 1
        if not each.unconfirmed:
            each.end()
