"""Whom the control plane refuses: clients whose last stream ended because of a bad request."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from pilothouse.server.session import Session

#: How long a client is remembered after its last refusal, in seconds, and how many at most.
KEPT_S = 600.0
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Refusal:
    """A client that is refused. Times are Unix seconds.

    `node` is the id that it states, and empty if it did not get so far. `count` are the refused streams since
    `first_s`, when the first of them began. The rest is about the last one.
    """

    number: int
    node: str
    peer: str
    about: str
    variant: str
    reason: str
    first_s: float
    last_s: float
    count: int = 1


class Refusals:
    """The latest refusals, one for each node id, or for each host if it has stated none.

    Anybody can state a new id each time. Then those that were refused last remain.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Refusal] = {}  # in the order of the last refusal

    def note(self, session: Session, reason: str, number: int) -> None:
        """A stream ends, because its client is refused. The number is for one that is new."""
        key = _key(session.node_id, session.peer)
        before, now = self._found.pop(key, None), time.time()
        said = session.peer, session.about, session.stream.codec.variant, reason
        fresh = Refusal(number, session.node_id, *said, session.connected_s, now)
        self._found[key] = (
            replace(fresh, number=before.number, first_s=before.first_s, count=before.count + 1)
            if before is not None and before.last_s >= now - KEPT_S
            else fresh
        )
        if len(self._found) > _MOST:
            del self._found[next(iter(self._found))]

    def forget(self, session: Session) -> None:
        """A stream of this client is accepted."""
        self._found.pop(_key(session.node_id, session.peer), None)
        self._found.pop(_key("", session.peer), None)

    def of(self, node: str) -> Refusal | None:
        """The refusal of one node."""
        found = self._found.get((node, "")) if node else None
        return found if found is not None and found.last_s >= time.time() - KEPT_S else None

    def known(self) -> list[Refusal]:
        """All of them, in the order of node ids."""
        due = time.time() - KEPT_S
        while self._found and next(iter(self._found.values())).last_s < due:
            del self._found[next(iter(self._found))]
        return sorted(self._found.values(), key=lambda each: (each.node, each.number))


def _key(node: str, peer: str) -> tuple[str, str]:
    """A client has another port each time."""
    return (node, "") if node else ("", peer.rpartition(":")[0])
