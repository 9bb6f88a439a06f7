"""Looks at the disk from its own threads: a disk that does not answer holds up nothing, not even the exit."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from pilothouse.kubernetes.roots import DEFAULT, Namespaces
from pilothouse.sources.files.disk import Look, look
from pilothouse.sources.files.tree import Progress, shown

T = TypeVar("T")

# For how long the disk may leave one question unanswered. Reading much takes longer, and goes on.
_PATIENCE_S = 10.0
_CHECK_S = 1.0
# So many paths may be avoided for not answering, and for each of them a thread hangs, maybe for ever.
_MOST_STUCK = 3


class Lookout:
    """Looks at files and folders without ever hanging itself.

    A path that does not answer is avoided until it does, and counts as unreadable meanwhile.
    """

    def __init__(self, roots: Sequence[Path], namespaces: Namespaces = DEFAULT) -> None:
        self._roots, self._namespaces = tuple(roots), namespaces
        # Looks that do not come back, with the path that they wait for.
        self._stuck: dict[asyncio.Future[Look], str] = {}
        self._progress: Progress | None = None  # of the look that goes on

    @property
    def slow(self) -> str:
        """The file, for people, whose text takes long to read right now; empty if there is none."""
        progress = self._progress
        return shown(progress.path) if progress and progress.computed_s > _PATIENCE_S else ""

    async def look(self, before: Look) -> Look:
        """What is there now. Raises OSError, one line that names the path, if almost nothing answers.

        After such an error it waits until something does.
        """
        while True:
            await self._until_it_is_worth_while()
            self._progress = progress = Progress()
            avoided = set(self._stuck.values())
            found = on_a_thread(partial(look, self._roots, before, self._namespaces, progress, avoided))
            try:
                while not found.done() and progress.waited_s <= _PATIENCE_S:
                    await asyncio.wait([found], timeout=_CHECK_S)
            finally:
                progress.abandon()
                self._progress = None
            if found.done():
                return found.result()
            self._stuck[found] = progress.path
            if self._hopeless:
                raise OSError(self._complaint(progress))

    async def _until_it_is_worth_while(self) -> None:
        if self._hopeless:
            await asyncio.wait(self._stuck, return_when=asyncio.FIRST_COMPLETED)
        self._stuck = {found: path for found, path in self._stuck.items() if not found.done()}

    @property
    def _hopeless(self) -> bool:
        paths = set(self._stuck.values())
        return bool(paths) and (len(self._stuck) >= _MOST_STUCK or paths.issuperset(map(str, self._roots)))

    def _complaint(self, progress: Progress) -> str:
        roots = ", ".join(shown(str(root)) for root in self._roots)
        waited = f"{progress.waited_s:.0f} s: {shown(progress.path)} does not answer"
        return f"the manifests in {roots} have not been read for {waited}"


def on_a_thread(work: Callable[[], T]) -> asyncio.Future[T]:
    """Its result. The exit does not wait for the thread, as it would for one of the loop's executor."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(found: T | BaseException) -> None:
        if isinstance(found, BaseException):
            future.set_exception(found)
            future.exception()  # whoever waited may have gone
        else:
            future.set_result(found)

    def run() -> None:
        try:
            found: T | BaseException = work()
        except BaseException as error:  # noqa: BLE001  (it is for whoever waits, on the other thread)
            found = error
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, found)

    threading.Thread(target=run, name="manifests", daemon=True).start()
    return future
