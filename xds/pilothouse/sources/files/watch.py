"""Wakes its caller when something may have changed on the disk. The caller then looks at everything."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import aclosing, suppress
from types import TracebackType
from typing import Self

import structlog
from watchfiles import Change, awatch
from watchfiles._rust_notify import WatchfilesRustInternalError

from pilothouse.sources.files.tree import Identity

_log = structlog.get_logger(__name__)

# A change is reported when the folder has been quiet for _STEP_MS, but after _DEBOUNCE_MS at the latest.
_STEP_MS = 10
_DEBOUNCE_MS = 50
# How often to wake without an event. Some mounts deliver no events, and an event queue can overflow.
_RESCAN_S = 2.0
# How soon to watch again after a folder has disappeared, or an event could not be read.
_AGAIN_S = 0.2
# Opening more watches would block the event loop for long. Users may also watch only a few thousand folders.
_MOST_WATCHED = 4096


class Watch:
    """An async context. Inside of it, `wait` returns soon after anything in the followed folders has changed.

    It touches no file: whoever looks finds the folders, off the event loop. Each folder is watched without
    its subfolders, because the library would follow links without end.
    """

    def __init__(self) -> None:
        self._folders: Mapping[str, Identity] = {}
        self._woken = asyncio.Event()
        self._others = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def follow(self, folders: Mapping[str, Identity]) -> None:
        """Watch these folders from now on. If they are new, `wait` returns once they are watched."""
        if folders != self._folders:
            self._folders = folders
            self._others.set()

    def wake(self) -> None:
        """Make `wait` return as if something had changed."""
        self._woken.set()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._watch())
        self._task.add_done_callback(lambda _: self._woken.set())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._task
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def wait(self, timeout_s: float) -> None:
        """Return when something may have changed since the last call, or after the timeout."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._woken.wait()
        self._woken.clear()
        if self._task and self._task.done():
            self._task.result()

    async def _watch(self) -> None:
        told = ""
        while True:
            self._others.clear()
            try:
                await self._watch_these(_watchable(self._folders))
            except FileNotFoundError:
                await asyncio.sleep(_AGAIN_S)
            except ExceptionGroup as errors:
                # The library raises its own error for an event whose file name is not UTF-8.
                if errors.split(WatchfilesRustInternalError)[1]:
                    raise
                await asyncio.sleep(_AGAIN_S)
            except OSError as error:
                if str(error) != told:
                    told = str(error)
                    _log.warning(
                        "the file system reports no changes, looking regularly instead",
                        every_s=_RESCAN_S,
                        reason=told,
                    )
                await self._until_others(_RESCAN_S)
            self._woken.set()

    async def _watch_these(self, folders: frozenset[str]) -> None:
        """Watch until other folders are to be followed. A watch also ends if a folder of it disappears."""
        if not folders:
            await self._until_others(_RESCAN_S)
            return
        changes = awatch(
            *folders,
            watch_filter=None,
            debounce=_DEBOUNCE_MS,
            step=_STEP_MS,
            stop_event=self._others,
            rust_timeout=int(_RESCAN_S * 1000),
            yield_on_timeout=True,
            recursive=False,
            ignore_permission_denied=True,
        )
        # The generator opens the watch in its first step. Earlier changes cause no event, so one look is
        # needed after it is open.
        asyncio.get_running_loop().call_soon(self._woken.set)
        async with aclosing(changes):
            async for events in changes:
                self._woken.set()
                if any(change is Change.deleted and path in folders for change, path in events):
                    return

    async def _until_others(self, timeout_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._others.wait()


def _watchable(folders: Iterable[str]) -> frozenset[str]:
    """The folders that the library can watch. Changes in the others are found by regular looks."""
    found = frozenset(folder for folder in folders if _is_utf8(folder))
    if len(found) > _MOST_WATCHED:
        raise OSError(f"there are more than {_MOST_WATCHED} folders")
    return found


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
