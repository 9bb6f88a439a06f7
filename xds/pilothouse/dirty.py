"""A set of keys that need work: marking never blocks, taking empties it."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class DirtySet(Generic[K]):
    """What stands between a fast writer and a slow reader, instead of a queue.

    However often a key is marked while the reader is busy, it is taken once.
    """

    def __init__(self) -> None:
        self._keys: set[K] = set()
        self._marked = asyncio.Event()

    def mark(self, keys: Iterable[K]) -> None:
        self._keys.update(keys)
        if self._keys:
            self._marked.set()

    def touch(self) -> None:
        """Let the reader look, although no key needs work: something else has changed."""
        self._marked.set()

    async def take(self) -> frozenset[K]:
        """Everything marked since the last call; waits until there is something."""
        await self._marked.wait()
        self._marked.clear()
        keys, self._keys = frozenset(self._keys), set()
        return keys
