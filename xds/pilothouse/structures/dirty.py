"""A set of keys that need work. Marking a key never blocks; taking the keys empties the set."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class DirtySet(Generic[K]):
    """Connects a fast writer with a slow reader, without a queue.

    If a key is marked several times while the reader is busy, the reader gets it once.
    """

    def __init__(self) -> None:
        self._keys: set[K] = set()
        self._touched = False
        self._holding = 0
        self._ready = asyncio.Event()

    def mark(self, keys: Iterable[K]) -> None:
        self._keys.update(keys)
        self._settle()

    def touch(self) -> None:
        """Wake the reader although no key needs work, because something else has changed."""
        self._touched = True
        self._settle()

    @contextmanager
    def together(self) -> Iterator[None]:
        """The reader takes everything that is marked inside of this block at once, when the block ends."""
        self._holding += 1
        self._settle()
        try:
            yield
        finally:
            self._holding -= 1
            self._settle()

    async def take(self) -> frozenset[K]:
        """All keys that were marked since the last call. Waits until there is something."""
        while not self._ready.is_set():
            await self._ready.wait()
        keys, self._keys, self._touched = frozenset(self._keys), set(), False
        self._settle()
        return keys

    def _settle(self) -> None:
        if (self._keys or self._touched) and not self._holding:
            self._ready.set()
        else:
            self._ready.clear()
