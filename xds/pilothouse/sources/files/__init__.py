"""Services from Kubernetes manifests in files and folders, read again whenever they change."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import structlog

from pilothouse.kubernetes.realm import WHOLE, Realm
from pilothouse.model import ServiceName
from pilothouse.sources import Fault, LeftOut, Sink
from pilothouse.sources.files.disk import Look, look
from pilothouse.sources.files.last_good import DOUBT_S, LastGood
from pilothouse.sources.files.watch import Watch

_log = structlog.get_logger(__name__)

# When nothing happens. The watch wakes more often than that by itself.
_IDLE_S = 10.0


def inspect(paths: Sequence[Path], realm: Realm = WHOLE) -> list[Fault]:
    """Read the manifests once; returns all that is wrong or doubtful in them, by place."""
    found = LastGood(realm, doubt_s=0)
    found.take_in(look(paths, Look()), now=0)
    return list(found.faults)


class FilesSource:
    """The services that manifests declare, in files or in folders with all that is below them.

    A path that cannot be read at the start raises OSError. Later its last good contents stay in
    force, also when the source is run again after a failure.
    """

    name = "files"

    def __init__(
        self,
        paths: Sequence[Path],
        realm: Realm = WHOLE,
        *,
        first_report_grace_s: float = 5.0,
    ) -> None:
        self._paths = tuple(paths)
        self._first_report_grace_s = first_report_grace_s
        self._last_good = LastGood(realm)

    @property
    def faults(self) -> Sequence[Fault]:
        return self._last_good.faults

    @property
    def left_out(self) -> Sequence[LeftOut]:
        """The documents that play no part in routing, by place."""
        return tuple(self._last_good.left_out)

    async def run(self, sink: Sink) -> None:
        await self._look()
        self._require_paths()
        async with Watch(self._paths) as watch:
            await self._report_first(sink, watch)
            while True:
                await watch.wait(self._patience_s)
                self._report(sink, await self._look())

    @property
    def _patience_s(self) -> float:
        """How long one can do without a look if nothing happens."""
        return DOUBT_S if self._last_good.in_doubt else _IDLE_S

    async def _report_first(self, sink: Sink, watch: Watch) -> None:
        """Report everything once every file was read well, or when the time for that is over.

        A control plane that is restarted beside a half-written file would otherwise take from
        running Envoys what that file is about to name.
        """
        deadline = time.monotonic() + self._first_report_grace_s
        await self._look()
        while not self._last_good.complete and time.monotonic() < deadline:
            await watch.wait(min(self._patience_s, deadline - time.monotonic()))
            await self._look()
        if not self._last_good.complete:
            _log.warning("reporting without the manifests that could not be read", faults=len(self.faults))
        sink.replace(self._last_good.services)

    def _report(self, sink: Sink, changed: frozenset[ServiceName]) -> None:
        for name in sorted(changed):
            service = self._last_good.service(name)
            if service:
                sink.put(service)
            else:
                sink.remove(name)

    async def _look(self) -> frozenset[ServiceName]:
        former = self.faults
        # Reading takes seconds where there is much to read; the streams go on meanwhile.
        found = await asyncio.to_thread(look, self._paths, self._last_good.look)
        changed = self._last_good.take_in(found, time.monotonic())
        _log_news(former, self.faults)
        return changed

    def _require_paths(self) -> None:
        for path in map(str, self._paths):
            reason = self._last_good.look.unreadable.get(path)
            if reason:
                raise OSError(f"manifests in {path}: {reason}")


def _log_news(former: Sequence[Fault], faults: Sequence[Fault]) -> None:
    known, current = set(former), set(faults)
    for fault in faults:
        if fault not in known:
            _log.warning("fault in a manifest", **asdict(fault))
    for fault in former:
        if fault not in current:
            _log.info("fault in a manifest is mended", **asdict(fault))
