"""Finds streams with the same node id. If they stay open together, two sidecars share a name by mistake."""

from __future__ import annotations

import asyncio
from itertools import islice

import structlog

from pilothouse.server.session import Session

log = structlog.get_logger(__name__)

# A sidecar may reconnect before the server knows that its last connection is gone.
_OVERLAP_S = 10.0
_NAMED = 3


class Namesakes:
    """The open streams by node id and subject. Nothing is kept of closed streams.

    A sidecar without ADS has one stream for each type. So only streams with the same subject are namesakes.
    """

    def __init__(self) -> None:
        # Each stream, with the timer that checks later whether it is still open beside another one.
        self._streams: dict[tuple[str, str], dict[Session, asyncio.TimerHandle | None]] = {}

    def meet(self, session: Session) -> None:
        """A stream has stated its node id. It may have done so before."""
        key = (session.node_id, session.about)
        streams = self._streams.setdefault(key, {})
        if session in streams:
            return
        watched = bool(streams and session.node_id)
        loop = asyncio.get_running_loop()
        streams[session] = loop.call_later(_OVERLAP_S, self._tell, session, key) if watched else None

    def part(self, session: Session) -> None:
        """A stream has ended."""
        key = (session.node_id, session.about)
        streams = self._streams.get(key, {})
        timer = streams.pop(session, None)
        if timer is not None:
            timer.cancel()
        if not streams:
            self._streams.pop(key, None)

    def _tell(self, session: Session, key: tuple[str, str]) -> None:
        # Streams of one connection belong to one Envoy. It opens one for each secret, for instance.
        others = [*islice((each for each in self._streams[key] if each.peer != session.peer), _NAMED)]
        if others:
            log.warning(
                "several streams have one node id; each sidecar needs its own",
                node=session.node_id,
                peer=session.peer,
                streams=len(self._streams[key]),
                others=[other.peer for other in others],
            )
