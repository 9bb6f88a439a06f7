"""Services from Kubernetes manifests in files and folders, which are read again when they change."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from pilothouse.kubernetes.objects.types import Key, Object
from pilothouse.kubernetes.roots import DEFAULT, Namespaces
from pilothouse.kubernetes.served import WHOLE, ServedCluster
from pilothouse.model.reasons import Reason
from pilothouse.model.services import Service, ServiceName
from pilothouse.sources import Cause, Fault, Sink, Standing, Unknown
from pilothouse.sources.files.disk import Look, Manifest, manifests_of
from pilothouse.sources.files.faults import of_path
from pilothouse.sources.files.kept import Kept
from pilothouse.sources.files.last_good import DOUBT_S, LastGood
from pilothouse.sources.files.left_out import LeftOut
from pilothouse.sources.files.lookout import Lookout
from pilothouse.sources.files.tree import is_within, shown
from pilothouse.sources.files.watch import Watch
from pilothouse.structures.state import Texts
from pilothouse.structures.threads import on_a_thread
from pilothouse.structures.turns import Steps, in_turns

_log = structlog.get_logger(__name__)

# How long to wait without an event. The watch wakes more often by itself.
_IDLE_S = 10.0
# How many findings of one look are logged. A folder may hold thousands of documents for other programs.
_LOGGED = 20

_SLOW = "takes long to read; no change of another file is served until it has been read"
_EMPTY = "holds no manifest; add one, or set --allow-empty if that is intended"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Absence:
    """What counts as absent if the operator says so: an empty folder's services, unreadable files at the
    start.
    """

    allow_empty: bool = False
    accept_missing: bool = False


class FilesSource:
    """The services that manifests declare, in files and in folders with their subfolders.

    A path that cannot be read at the start raises OSError. Later, its last good contents stay in force, even
    if the source fails and runs again, and with `kept` even after a restart of the process. At the start, a
    folder without manifests is not reported unless that is allowed, because its mount may have failed.
    `namespaces` are the default namespaces of files.
    """

    name = "files"

    def __init__(  # noqa: PLR0913  (what an operator says, each once)
        self,
        paths: Sequence[Path],
        served: ServedCluster = WHOLE,
        *,
        kept: Kept | None = None,
        absence: Absence = Absence(),
        namespaces: Namespaces = DEFAULT,
        first_report_grace_s: float = 5.0,
    ) -> None:
        self._paths = tuple(paths)
        self._namespaces = namespaces
        self._first_report_grace_s = first_report_grace_s
        self._absence = absence
        self._last_good = LastGood(served, allow_empty=absence.allow_empty)
        self._lookout = Lookout(self._paths, namespaces)
        self._watch = Watch()
        self._anew = False
        self._kept = kept
        self._unknown: Unknown | None = None  # None until the first report
        self._vacant: set[str] = set()  # the roots that have been empty since the start
        self._implied: set[str] = set()  # implied losses that are to be reported

    @property
    def faults(self) -> Sequence[Fault]:
        return (*self._slow(), *self._last_good.faults, *(self._kept.faults if self._kept else ()))

    def _slow(self) -> Iterator[Fault]:
        """A file that takes too long to parse. No other file is looked at until that ends."""
        path = self._lookout.slow
        if path:
            standing = Standing.LAST_GOOD if self._last_good.knows(path) else Standing.UNKNOWN
            yield of_path(path, _SLOW, standing)

    @property
    def left_out(self) -> Mapping[Reason, int]:
        return self._last_good.left_out_by_reason

    def supposing(
        self, put: Sequence[Object], gone: Sequence[Key]
    ) -> Steps[Mapping[ServiceName, Service | None]]:
        """See `Declaring`."""
        return self._last_good.supposing(put, gone)

    def reread(self) -> None:
        self._anew = True
        self._watch.wake()

    async def run(self, sink: Sink) -> None:
        if self._unknown is None:
            await self._recover(sink)
        await self._look()
        self._require_paths()
        async with self._watch as watch:
            await self._report_first(sink, watch)
            while True:
                await watch.wait(self._patience_s)
                heard = time.monotonic()
                await self._report(sink, await self._look(), heard)

    @property
    def _patience_s(self) -> float:
        """How long to wait for an event before the next look."""
        return DOUBT_S if self._last_good.in_doubt else _IDLE_S

    async def _recover(self, sink: Sink) -> None:
        """Let texts from an earlier process stand in for broken and missing files."""
        if self._kept is None:
            return
        silent: OSError | None = None
        try:
            found = await self._found()
        except OSError as error:
            found, silent = Look(), error
        texts = await self._kept.load(self._paths)
        good = {path: manifest for path, manifest in found.files.items() if not manifest.contents.errors}
        lacking = {path: kept for path, kept in texts.items() if path not in good}
        if self._absence.accept_missing and not silent:
            self._kept.save(dict.fromkeys(lacking))
        if not self._absence.accept_missing and lacking:
            await self._restore(sink, good, lacking)
        if silent:
            raise silent

    async def _restore(self, sink: Sink, good: Mapping[str, Manifest], lacking: Mapping[str, Texts]) -> None:
        self._last_good.take_in(Look(good), time.monotonic())
        for path, kept in lacking.items():
            texts_of_path = partial(manifests_of, kept, self._namespaces.of(path))
            self._last_good.recover(path, await on_a_thread(texts_of_path, "manifests"))
        sink.restore(self._last_good.services)
        _log.warning(
            "versions kept by an earlier process stand in for broken or missing files", files=len(lacking)
        )

    async def _report_first(self, sink: Sink, watch: Watch) -> None:
        """Report everything when every file has been read without errors, or when the grace period ends.

        If a file is half-written at a restart, the source waits until it is complete. After the grace period
        it reports the file as unknown, so that no client is told that services are gone which the file may
        declare.
        """
        deadline = time.monotonic() + self._first_report_grace_s
        await self._look()
        while self._is_empty or (not self._is_settled and time.monotonic() < deadline):
            remaining = self._patience_s if self._is_empty else deadline - time.monotonic()
            await watch.wait(min(self._patience_s, remaining))
            await self._look()
        if self._unknown is None:
            self._unknown = self._last_good.unknown_with_services()
        if self._unknown.places and not self._absence.accept_missing:
            _log.error(
                "places cannot be read and have no good version, so no removals are sent",
                places=self._unknown.places,
            )
        sink.unknown(self._unknown)
        await self._replace(sink)

    @property
    def _is_settled(self) -> bool:
        return self._last_good.complete and not self._last_good.in_doubt

    @property
    def _is_empty(self) -> bool:
        """Whether there is no manifest at all. The start then waits."""
        return len(self._vacant) == len(self._paths)

    def _doubted(self, found: Look) -> Look:
        """The look with its empty roots marked as unreadable, if they have been empty since the start."""
        candidates = {shown(str(path)) for path in self._paths} if self._unknown is None else self._vacant
        vacant = () if self._absence.allow_empty else candidates - found.unreadable.keys()
        self._vacant = {path for path in vacant if not any(is_within(file, path) for file in found.files)}
        if not self._vacant:
            return found
        return replace(found, unreadable={**dict.fromkeys(self._vacant, _EMPTY), **found.unreadable})

    async def _report(self, sink: Sink, changed: frozenset[ServiceName], heard: float) -> None:
        if self._implied:
            await self._replace(sink)
        else:
            with sink.together():
                await in_turns(self._reporting(sink, changed, heard))
        self._report_unknown(sink)

    def _report_unknown(self, sink: Sink) -> None:
        """Report what is unknown, after the services in it. In the other order they would count as absent."""
        if self._unknown and self._unknown.places:
            # Computed anew, because an unreadable file may have been renamed.
            unknown = self._last_good.unknown_with_services()
            if unknown != self._unknown:
                self._unknown = unknown
                sink.unknown(unknown)

    def _reporting(self, sink: Sink, changed: frozenset[ServiceName], heard: float) -> Steps[None]:
        for name in sorted(changed):
            service = self._last_good.service(name)
            cause = Cause(self._last_good.places.get(name, ""), heard)
            if service:
                sink.put(service, cause)
            else:
                sink.remove(name, cause)
            yield

    async def _replace(self, sink: Sink) -> None:
        """Report everything, and let the guard judge what is missing. Keep its texts as long as the guard
        may.
        """
        roots = ", ".join(shown(str(path)) for path in self._paths)
        cause = Cause(roots, places=self._last_good.places)
        sink.replace(await in_turns(self._last_good.listing()), bool(self._implied), cause)
        if self._kept is not None:
            self._kept.forget_later(self._implied)
        self._implied = set()

    async def _look(self) -> frozenset[ServiceName]:
        former = self._last_good.faults
        changed = await in_turns(self._last_good.taking_in(await self._found(), time.monotonic()))
        unsaved, self._last_good.unsaved = self._last_good.unsaved, {}
        if self._kept is not None:
            self._kept.save(unsaved)
        self._implied.update(self._last_good.implied_losses)
        _log_news(former, self._last_good.faults)
        _log_left_out(self._last_good.left_out.news)
        return changed

    async def _found(self) -> Look:
        anew, self._anew = self._anew, False
        before = self._last_good.look
        found = await self._lookout.look(before.unstamped() if anew else before)
        self._watch.follow(found.folders)
        return self._doubted(found)

    def _require_paths(self) -> None:
        for path in (shown(str(path)) for path in self._paths):
            reason = self._last_good.look.unreadable.get(path)
            if reason and reason != _EMPTY:
                raise OSError(f"manifests in {path}: {reason}")


def _log_news(former: Sequence[Fault], faults: Sequence[Fault]) -> None:
    if former == faults:
        return
    known, current = set(former), set(faults)
    _log_some(
        [fault for fault in faults if fault not in known],
        lambda fault: _log.warning(f"{_kind(fault)} in a manifest", **_fields(fault)),
        "faults and warnings in manifests",
    )
    _log_some(
        [fault for fault in former if fault not in current],
        lambda fault: _log.info(f"{_kind(fault)} in a manifest is mended", **_fields(fault)),
        "faults and warnings in manifests are mended",
    )


def _log_left_out(news: Sequence[LeftOut]) -> None:
    def log(one: LeftOut) -> None:
        reason, what, why = one.omission
        _log.info("left out", file=one.file, line=one.line, code=reason.value, what=what, why=why)

    _log_some(news, log, "documents are left out")


def _log_some(news: Sequence[T], log: Callable[[T], None], what: str) -> None:
    """Log a line for each, up to a number of lines that somebody may still read."""
    for one in news[:_LOGGED]:
        log(one)
    if len(news) > _LOGGED:
        _log.warning(f"and {len(news) - _LOGGED:,} more {what}")


def _kind(fault: Fault) -> str:
    return "warning" if fault.warning else "fault"


def _fields(fault: Fault) -> dict[str, object]:
    said = {"field": fault.field, "message": fault.message, "standing": fault.standing.value}
    return {**dict(fault.parts), **said, "code": fault.code}
