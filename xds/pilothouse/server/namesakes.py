"""Streams of one node id: two that stay are two sidecars of the same name, and nobody can tell them apart."""

from __future__ import annotations

import asyncio
from itertools import islice

import structlog

from pilothouse.server.session import Session

log = structlog.get_logger(__name__)

# A sidecar that comes back may do so before its last connection is known to be gone.
_OVERLAP_S = 10.0
_NAMED = 3


class Namesakes:
    """The open streams by node id and by what they are about; nothing is kept of those that are closed.

    A sidecar without ADS has a stream for each type, so only streams about the same are namesakes.
    """

    def __init__(self) -> None:
        # Each with the timer that looks whether it has stayed beside another.
        self._streams: dict[tuple[str, str], dict[Session, asyncio.TimerHandle | None]] = {}

    def meet(self, session: Session) -> None:
        """A stream has said its node id; it may have done so before."""
        key = (session.node_id, session.about)
        streams = self._streams.setdefault(key, {})
        if session in streams:
            return
        watched = bool(streams and session.node_id)
        loop = asyncio.get_running_loop()
        streams[session] = loop.call_later(_OVERLAP_S, self._tell, session, key) if watched else None

    def part(self, session: Session) -> None:
        """A stream has come to its end."""
        key = (session.node_id, session.about)
        streams = self._streams.get(key, {})
        timer = streams.pop(session, None)
        if timer is not None:
            timer.cancel()
        if not streams:
            self._streams.pop(key, None)

    def _tell(self, session: Session, key: tuple[str, str]) -> None:
        # Streams of one connection are of one Envoy: it opens one for each secret, for instance.
        others = [*islice((each for each in self._streams[key] if each.peer != session.peer), _NAMED)]
        if others:
            log.warning(
                "several streams have one node id; each sidecar needs its own",
                node=session.node_id,
                peer=session.peer,
                streams=len(self._streams[key]),
                others=[other.peer for other in others],
            )
