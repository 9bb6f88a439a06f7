"""Sends a trace of each change that has ended. Nothing that is pushed waits for that."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

import structlog

from pilothouse.journal.progress import Progress
from pilothouse.registry.revisions import Revision, Revisions
from pilothouse.structures.turns import Turn
from pilothouse.tracing.spans import Span, spans

log = structlog.get_logger(__name__)

LOOK_S = 0.5
_TURN_S = 0.002
#: So many changes are taken in a look; twice, if some are over at once and others have ended since. A thread
#: takes about a millisecond to encode a trace, in which the event loop may have to wait.
_MOST = 20


class Sender(Protocol):
    """Takes traces, and sends them on a thread of its own.

    `sent` and `lost` count traces. `failure` says in one line why the last ones could not be sent. It is
    empty if they could.
    """

    @property
    def sent(self) -> int: ...
    @property
    def lost(self) -> int: ...
    @property
    def failure(self) -> str: ...

    def offer(self, number: int, trace: Span) -> None:
        """Take the trace of the change with this number. If too many are waiting, it is lost."""

    async def close(self) -> None:
        """Send what is waiting, for a short time."""


class Tracing:
    """Looks again and again which changes have ended."""

    def __init__(self, revisions: Revisions, sender: Sender) -> None:
        self._revisions, self._sender = revisions, sender
        self._progress = Progress(revisions, _MOST)
        self._failing = self._losing = False
        self._lost = 0
        self._missed = 0

    @property
    def sent(self) -> int:
        return self._sender.sent

    @property
    def lost(self) -> int:
        """Traces of changes that could not be sent, or that were forgotten before."""
        return self._sender.lost + self._missed + self._progress.unfollowed

    async def run(self) -> None:
        """Trace for ever what has changed since this was made, and at the end what has ended until then."""
        try:
            while True:
                await asyncio.sleep(LOOK_S)
                await self.look()
        finally:
            while over := [*self._progress.over()]:
                for one in over:
                    self._offer(one)
            await self._sender.close()

    async def look(self) -> None:
        """Trace what has ended since, in turns."""
        turn = Turn(_TURN_S)
        self._missed += self._progress.missed()
        for one in self._progress.over():
            self._offer(one)
            await turn.over()
        self._tell()

    def _offer(self, one: Revision) -> None:
        published = self._revisions.publication(one.number)
        if published is None:
            self._missed += 1
            return
        ahead = time.time_ns() - time.monotonic_ns()  # of the clock that a change is measured by
        self._sender.offer(one.number, spans(one, published, lambda at: ahead + int(at * 1e9)))

    def _tell(self) -> None:
        """Log that traces begin to be lost, or that they are sent again."""
        failure, lost = self._sender.failure, self.lost
        losing = lost > self._lost and not failure
        if losing and not self._losing:
            log.warning("traces are lost: there are more than can be sent", lost=lost)
        self._losing, self._lost = losing, lost
        if failure and not self._failing:
            log.warning("traces cannot be sent, and are lost", reason=failure)
        elif self._failing and not failure:
            log.info("traces are sent again", lost=self.lost)
        self._failing = bool(failure)
