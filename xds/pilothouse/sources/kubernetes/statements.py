"""What reflectors say, and where that waits for whoever takes it in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence, Set
from contextlib import suppress
from typing import NamedTuple, TypeAlias

from pilothouse.kubernetes.objects.types import Key
from pilothouse.sources.kubernetes.decoding import Found
from pilothouse.sources.kubernetes.resources import Scope

_MOST = 2000


class Listed(NamedTuple):
    """All that there is in a scope. `place` is a text for people.

    `beside` is what lists with other selectors show. None if not all of these are
    known: then nothing is gone.
    """

    scope: Scope
    found: Sequence[Found]
    place: str
    beside: Set[Key] | None = frozenset()


class Put(NamedTuple):
    """An object is new or has changed. `heard` is in seconds of the monotonic clock."""

    scope: Scope
    found: Found
    heard: float


class Deleted(NamedTuple):
    """An object was deleted, at a resourceVersion."""

    scope: Scope
    key: Key
    version: str
    heard: float


Statement: TypeAlias = Listed | Put | Deleted


class Inbox:
    """Statements in their order. Who says more than is taken has to wait."""

    def __init__(self) -> None:
        self._waiting: list[Statement] = []
        self._news, self._room = asyncio.Event(), asyncio.Event()
        self._room.set()

    def __len__(self) -> int:
        return len(self._waiting)

    async def put(self, statement: Statement) -> None:
        await self._room.wait()
        self._waiting.append(statement)
        if len(self._waiting) >= _MOST:
            self._room.clear()
        self._news.set()

    def wake(self) -> None:
        """Let the taker look at something else."""
        self._news.set()

    async def take(self, within_s: float | None = None) -> list[Statement]:
        """All that waits, as soon as there is something, or it was woken, or after a time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._news.wait()
        taken, self._waiting = self._waiting, []
        self._news.clear()
        self._room.set()
        return taken
