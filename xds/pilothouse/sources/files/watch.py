"""Wakes when something may have changed on the disk. It does not say what: who wakes looks at everything."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog
from watchfiles import awatch

_log = structlog.get_logger(__name__)

# A change is reported after the folder was quiet for _STEP_MS, but no later than _DEBOUNCE_MS.
_STEP_MS = 10
_DEBOUNCE_MS = 50
# How often one wakes without an event: some mounts deliver none, and a queue of events can overflow.
_RESCAN_S = 2.0
# How often one looks whether a folder that has disappeared is back.
_ABSENT_S = 0.2


class Watch:
    """An async context; in it `wait` returns soon after anything below the roots changed, and once at first.

    Of a root that is a file, its folder is watched: editors save by putting a new file in its place.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        self._folders = [root for root in roots if root.is_dir()]
        self._beside = [root.parent for root in roots if not root.is_dir()]
        self._woken = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        watched = ((self._folders, True), (self._beside, False))
        self._tasks = [asyncio.create_task(self._watch(*one)) for one in watched if one[0]]
        for task in self._tasks:
            task.add_done_callback(lambda _: self._woken.set())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def wait(self, timeout_s: float) -> None:
        """Return when something may have changed since the last call, at the latest after the timeout."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._woken.wait()
        self._woken.clear()
        for task in self._tasks:
            if task.done():
                task.result()

    async def _watch(self, folders: Sequence[Path], recursive: bool) -> None:
        told = ""
        while True:
            try:
                await self._watch_these(folders, recursive)
            except FileNotFoundError:
                await asyncio.sleep(_ABSENT_S)
            except OSError as error:
                if str(error) != told:
                    told = str(error)
                    _log.warning("changes are found by looking now and then", every_s=_RESCAN_S, reason=told)
                await asyncio.sleep(_RESCAN_S)
                self._woken.set()

    async def _watch_these(self, folders: Sequence[Path], recursive: bool) -> None:
        """Watch until one of the folders is another one than it was: then its events have ended silently."""
        identities = _identities(folders)
        changes = awatch(
            *folders,
            watch_filter=None,
            debounce=_DEBOUNCE_MS,
            step=_STEP_MS,
            rust_timeout=int(_RESCAN_S * 1000),
            yield_on_timeout=True,
            recursive=recursive,
            ignore_permission_denied=True,
        )
        # The generator opens the watch in its first step. Whatever happened before that, no event will
        # tell, so somebody has to look once it is open.
        asyncio.get_running_loop().call_soon(self._woken.set)
        async with aclosing(changes):
            async for _ in changes:
                self._woken.set()
                if _identities(folders) != identities:
                    return


def _identities(folders: Sequence[Path]) -> list[tuple[int, int]]:
    statuses = map(os.stat, folders)
    return [(status.st_dev, status.st_ino) for status in statuses]
