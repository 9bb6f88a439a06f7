"""Runs each source for ever and restarts it when it fails. Nothing else retries."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

from pilothouse.model.services import Service, ServiceName
from pilothouse.sources import UNSTATED, Cause, Sink, Source, Unknown

_RETRY_S = (0.5, 30.0)  # the first and the longest pause before a failed source runs again


class SourceState:
    """The state of a source, apart from what it reports. Times are Unix seconds."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.name = source.name
        #: Why what is in force may be old: the source failed, or says that it cannot follow a part.
        self.error = ""
        self.stale_since_s: float | None = None
        self.last_report_s: float | None = None
        self._partly = ""

    def watched(self, sink: Sink) -> Sink:
        """A sink that passes each report on and notes it here."""
        return _Watched(sink, self)

    @property
    def stale(self) -> bool:
        return self.stale_since_s is not None

    def reported(self) -> None:
        self.last_report_s = time.time()
        self._settle(self._partly)

    def failed(self, error: Exception) -> None:
        self._partly = ""
        self._settle(str(error) or repr(error))

    def said(self, why: str) -> None:
        """The source itself says why a part of its backend cannot be followed; empty if all can."""
        self._partly = why
        self._settle(why)

    def _settle(self, error: str) -> None:
        self.error = error
        if not error:
            self.stale_since_s = None
        elif self.stale_since_s is None:
            self.stale_since_s = time.time()


class _Watched:
    def __init__(self, sink: Sink, state: SourceState) -> None:
        self._sink = sink
        self._state = state

    def restore(self, services: Iterable[Service]) -> None:
        self._sink.restore(services)

    def together(self) -> AbstractContextManager[None]:
        return self._sink.together()

    def unknown(self, unknown: Unknown) -> None:
        self._sink.unknown(unknown)

    def stale(self, why: str) -> None:
        self._sink.stale(why)
        self._state.said(why)

    def replace(self, services: Iterable[Service], suspect: bool = False, cause: Cause = UNSTATED) -> None:
        self._sink.replace(services, suspect, cause)
        self._state.reported()

    def put(self, service: Service, cause: Cause = UNSTATED, observed: bool = False) -> None:
        self._sink.put(service, cause, observed)
        self._state.reported()

    def remove(self, name: ServiceName, cause: Cause = UNSTATED) -> None:
        self._sink.remove(name, cause)
        self._state.reported()


async def supervise(state: SourceState, sink: Sink, failed: Callable[[SourceState, float], None]) -> None:
    """Run a source for ever. While it is down, its last report stays in force, and it is shown as stale.

    `failed` is called at each failure, with the seconds until the source runs again.
    """
    pause_s, longest_s = _RETRY_S
    while True:
        begun = time.monotonic()
        try:
            await state.source.run(state.watched(sink))
            error: Exception = RuntimeError("the source ended by itself")
        except Exception as failure:  # noqa: BLE001  (the one place that survives whatever a source does)
            error = failure
        state.failed(error)
        if time.monotonic() - begun > longest_s:
            pause_s = _RETRY_S[0]  # it had worked for a while
        failed(state, pause_s)
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, longest_s)
