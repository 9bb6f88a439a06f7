"""Something that is delivered to many recipients, until the last of them has confirmed it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeAlias

#: The deliveries that one recipient has yet to confirm. Recipients share the tuple while it has one item.
Deliveries: TypeAlias = "tuple[Delivery, ...]"

# A recipient that never confirms keeps at most so many deliveries that have ended.
_MOST_ENDED = 64
_MOST_REFUSERS = 10
_MOST_LEAVERS = 20
_MOST_ANSWERS = 50
# What becomes of the answers of a client. The worst of them is what becomes of the client.
_UNNEEDED, _CONFIRMED, _LEFT, _REFUSED = range(4)


class Refusal(NamedTuple):
    """When a recipient rejected a delivery, and in which words."""

    at: float
    why: str


class Answer(NamedTuple):
    """An answer: whose, when, to what, and whether it is a rejection."""

    by: str
    at: float
    to: str
    refused: bool


class Delivery:
    """Counts the clients that have not confirmed yet.

    A client may be several recipients, one for each type of resources. It has confirmed when all have.
    The sender counts as a recipient until it calls `told_all`, because the first recipient may confirm before
    the last one is told. When the count of recipients reaches 0, `ended` is called once, unless the delivery
    was given up before. Each push to each stream calls `told` and `confirmed`, so both do little.
    """

    __slots__ = (
        "_awaited",
        "_counts",
        "_ended",
        "_worst",
        "about",
        "alone",
        "answers",
        "begun_at",
        "changes",
        "confirmed_at",
        "confirmed_by",
        "leavers",
        "live",
        "over_at",
        "proxies",
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
        #: How many clients were told.
        self.proxies = 0
        # How many answers are awaited of each client, and the worst so far of those that have given some.
        self._awaited: dict[str, int] = {}
        self._worst: dict[str, int] = {}
        # How many clients have come to each end.
        self._counts = [0, 0, 0, 0]
        #: When the sender began to tell recipients, and when the end was there or was not awaited any more.
        self.begun_at: float | None = None
        self.over_at: float | None = None
        #: When the last confirmation came. None without any: recipients may have left, or needed nothing.
        self.confirmed_at: float | None = None
        #: Who sent it.
        self.confirmed_by = ""
        #: The last answers, which took longest.
        self.answers: deque[Answer] = deque(maxlen=_MOST_ANSWERS)
        #: The first that rejected it, by name.
        self.refusers: dict[str, Refusal] = {}
        #: The first that are gone without an answer.
        self.leavers: dict[str, None] = {}
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
    def refused(self) -> int:
        """How many clients have rejected it, whether or not they have yet to answer for another type."""
        return self._counts[_REFUSED] + self._refusing

    @property
    def acknowledged(self) -> int:
        """How many clients have confirmed it, and rejected nothing of it."""
        return self._counts[_CONFIRMED]

    @property
    def left(self) -> int:
        """How many clients are gone without an answer."""
        return self._counts[_LEFT]

    @property
    def unneeded(self) -> int:
        """How many clients turned out to lack nothing of it."""
        return self._counts[_UNNEEDED]

    @property
    def outstanding(self) -> int:
        """How many clients have yet to answer, and have rejected nothing."""
        return len(self._awaited) - self._refusing

    @property
    def awaited(self) -> Iterator[str]:
        """The clients that have yet to answer, and have rejected nothing."""
        return (each for each in self._awaited if self._worst.get(each) != _REFUSED)

    @property
    def _refusing(self) -> int:
        return sum(worst == _REFUSED for worst in self._worst.values())

    def tell(self, client: str) -> None:
        """One more answer of a client is awaited."""
        self.unconfirmed += 1
        awaited = self._awaited.get(client, 0)
        self.proxies += not awaited
        self._awaited[client] = awaited + 1

    def settle(self, client: str, how: int) -> None:
        """One answer of a client is not awaited any more."""
        awaited = self._awaited.get(client, 0) - 1
        worst = max(how, self._worst.pop(client, how)) if self._worst else how
        if awaited > 0:
            self._awaited[client], self._worst[client] = awaited, worst
        elif not awaited:
            del self._awaited[client]
            self._counts[worst] += 1
        self.unconfirmed -= 1
        if not self.unconfirmed:
            self.end()

    def give_up(self) -> None:
        """Stop waiting for confirmations."""
        self.live, self.over_at = False, time.monotonic()
        self.alone = ()  # breaks a reference cycle, which only the garbage collector would find

    def end(self) -> None:
        """Every recipient has confirmed or is gone."""
        if self.live:
            self.give_up()
            self._ended(self)


def told(before: Deliveries, delivery: Delivery, client: str = "") -> Deliveries:
    """Add a delivery to those that one recipient has yet to confirm, and return all of them."""
    delivery.tell(client)
    if not before:
        return delivery.alone or (delivery,)
    if len(before) % _MOST_ENDED == 0:
        before = live(before, client)
    return (*before, delivery)


def live(deliveries: Deliveries, client: str = "") -> Deliveries:
    """Those that were not given up. Of the others, this client's answer comes too late."""
    left([each for each in deliveries if not each.live], client)
    return tuple([each for each in deliveries if each.live])


def confirmed(deliveries: Deliveries, now: float, by: str = "", to: str = "") -> None:
    """A recipient confirms these deliveries."""
    _answered(deliveries, Answer(by, now, to, refused=False), _CONFIRMED)


def refused(deliveries: Deliveries, now: float, by: str = "", why: str = "", to: str = "") -> None:
    """A recipient rejects these deliveries."""
    for each in deliveries:
        if len(each.refusers) < _MOST_REFUSERS and by not in each.refusers:
            each.refusers[by] = Refusal(now, why)
    _answered(deliveries, Answer(by, now, to, refused=True), _REFUSED)


def unneeded(deliveries: Iterable[Delivery], by: str = "") -> None:
    """A recipient lacks nothing of these deliveries, so it has nothing to confirm."""
    for each in deliveries:
        each.settle(by, _UNNEEDED)


def left(deliveries: Iterable[Delivery], by: str = "") -> None:
    """A recipient is gone without an answer."""
    for each in deliveries:
        if len(each.leavers) < _MOST_LEAVERS:
            each.leavers[by] = None
        each.settle(by, _LEFT)


def _answered(deliveries: Deliveries, answer: Answer, how: int) -> None:
    for each in deliveries:
        each.confirmed_at, each.confirmed_by = answer.at, answer.by
        each.answers.append(answer)
        each.settle(answer.by, how)
