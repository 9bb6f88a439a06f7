"""Looks at the disk on its own threads. If the disk does not answer, nothing blocks, not even the exit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from pilothouse.kubernetes.roots import DEFAULT, Namespaces
from pilothouse.sources.files.disk import Look, look
from pilothouse.sources.files.tree import Progress, shown
from pilothouse.structures.threads import on_a_thread

# How long the disk may take to answer one question. Reading a lot may take longer in total.
_PATIENCE_S = 10.0
_CHECK_S = 1.0
# This many paths may be avoided because they do not answer. A thread hangs for each, maybe for ever.
_MOST_STUCK = 3


class Lookout:
    """Looks at files and folders without ever hanging.

    A path that does not answer is avoided until it does. Meanwhile it counts as unreadable.
    """

    def __init__(self, roots: Sequence[Path], namespaces: Namespaces = DEFAULT) -> None:
        self._roots, self._namespaces = tuple(roots), namespaces
        # The looks that have not come back, and the path that each is waiting for.
        self._stuck: dict[asyncio.Future[Look], str] = {}
        self._progress: Progress | None = None  # of the present look

    @property
    def slow(self) -> str:
        """The file whose text is taking long to parse, as text for users. Empty if there is none."""
        progress = self._progress
        return shown(progress.path) if progress and progress.computed_s > _PATIENCE_S else ""

    async def look(self, before: Look) -> Look:
        """What is on the disk now. Raises OSError, one line that names the path, if almost nothing answers.

        The call after such an error waits until something answers.
        """
        while True:
            await self._until_it_is_worth_while()
            self._progress = progress = Progress()
            avoided = set(self._stuck.values())
            found = on_a_thread(
                partial(look, self._roots, before, self._namespaces, progress, avoided), "manifests"
            )
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
