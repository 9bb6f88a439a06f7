"""The clients by node id, in order, and for a while those that have gone or are refused."""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice

from pilothouse.server.refusals import Refusals
from pilothouse.server.session import Session

#: How long a client that has gone is remembered, in seconds, and how many at most.
KEPT_S = 600.0
_MOST_GONE = 1000
_LAST = float("inf")


@dataclass(frozen=True, slots=True)
class Gone:
    """A stream that has ended. Times are Unix seconds.

    `unanswered` has the labels of the types of which the client had not answered the last response, and when
    each was sent, by the monotonic clock. `rejected` has, by type, why it rejected the last response.
    """

    number: int
    node: str
    peer: str
    about: str
    variant: str
    namespace: str
    connected_s: float
    gone_s: float
    reason: str
    unanswered: tuple[tuple[str, float], ...] = ()
    rejected: tuple[tuple[str, str], ...] = ()


class Roster:
    """The open streams of clients that have said who they are, and the last ones that have ended.

    Streams are in order of node id, and of their age if they have the same one. To note a stream costs a
    search, never a look at all streams.
    """

    def __init__(self) -> None:
        self._numbers = count(1)
        self._keys: dict[Session, tuple[str, int]] = {}
        self._order: list[tuple[str, int]] = []
        self._sessions: dict[int, Session] = {}
        self._gone: deque[Gone] = deque(maxlen=_MOST_GONE)
        #: Whom the control plane refuses.
        self.refusals = Refusals()

    def meet(self, session: Session) -> None:
        """A stream has stated its node id. It may have done so before."""
        if session not in self._keys:
            key = self._keys[session] = session.node_id, next(self._numbers)
            self._sessions[key[1]] = session
            insort(self._order, key)
            self.refusals.forget(session)

    def part(self, session: Session, reason: str) -> None:
        """A stream ends. Nothing happens if it has never stated its node id."""
        key = self._keys.pop(session, None)
        if key is not None:
            del self._order[bisect_left(self._order, key)]
            del self._sessions[key[1]]
            self._gone.append(_gone(key[1], session, reason))

    def refuse(self, session: Session, reason: str) -> None:
        """A stream ends because of a request that is not allowed."""
        self.refusals.note(session, reason, next(self._numbers))

    def __contains__(self, number: int) -> bool:
        """Whether the stream with this number is open."""
        return number in self._sessions

    def after(self, node: str, number: float = _LAST) -> Iterator[tuple[int, Session]]:
        """The open streams after this one, each with its number. Without a number, those of later nodes."""
        first = bisect_right(self._order, (node, number))
        return ((number, self._sessions[number]) for _, number in islice(self._order, first, None))

    def of(self, node: str) -> list[Session]:
        """The open streams of one node."""
        first, last = bisect_left(self._order, (node, 0)), bisect_right(self._order, (node, _LAST))
        return [self._sessions[number] for _, number in self._order[first:last]]

    def nodes(self) -> list[str]:
        """The node ids of open streams, in order. Some may occur twice."""
        return [node for node, _ in self._order]

    def gone(self) -> list[Gone]:
        """The last streams of clients that have gone, in the order of `after`.

        Those that have come back or are refused are not among them.
        """
        due = time.time() - KEPT_S
        while self._gone and self._gone[0].gone_s < due:
            self._gone.popleft()
        last = {(each.node, each.about): each for each in self._gone}
        away = (each for each in last.values() if not (self.of(each.node) or self.refusals.of(each.node)))
        return sorted(away, key=lambda each: (each.node, each.number))


def _gone(number: int, session: Session, reason: str) -> Gone:
    held = session.stream.subscriptions.items()
    return Gone(
        number,
        session.node_id,
        session.peer,
        session.about,
        session.stream.codec.variant,
        session.world.audience.namespace if session.world else "",
        session.connected_s,
        time.time(),
        reason,
        tuple((type.label, each.exchange.since) for type, each in held if each.exchange.awaiting),
        tuple((type.label, each.exchange.error) for type, each in held if each.exchange.error),
    )
