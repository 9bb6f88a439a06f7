"""A set of keys that need work: marking never blocks, taking empties it."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class DirtySet(Generic[K]):
    """What stands between a fast writer and a slow reader, instead of a queue.

    However often a key is marked while the reader is busy, it is taken once.
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
        """Let the reader look, although no key needs work: something else has changed."""
        self._touched = True
        self._settle()

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is marked within is taken together, at the end."""
        self._holding += 1
        self._settle()
        try:
            yield
        finally:
            self._holding -= 1
            self._settle()

    async def take(self) -> frozenset[K]:
        """Everything marked since the last call; waits until there is something."""
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
