"""Long work on the event loop, in turns with other tasks, so that nobody waits until all of it is done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator
from contextvars import ContextVar
from typing import TypeAlias, TypeVar

_TURN_S = 0.01

T = TypeVar("T")

#: Work that yields after each small step and returns a result.
Steps: TypeAlias = Generator[None, None, T]


async def _give_way() -> None:
    """Let every other task run once."""
    await asyncio.sleep(0)


#: What happens between two turns of the present task. Who starts work that is less urgent than other work
#: sets something that takes longer.
PAUSE: ContextVar[Callable[[], Awaitable[None]]] = ContextVar("pause", default=_give_way)


async def in_turns(steps: Steps[T], turn_s: float = _TURN_S) -> T:
    """Run all steps and return the result. After each turn of `turn_s` seconds, other tasks get to run."""
    ends = time.monotonic() + turn_s
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
        if time.monotonic() >= ends:
            await PAUSE.get()()
            ends = time.monotonic() + turn_s


def at_once(steps: Steps[T]) -> T:
    """Run all steps without a pause and return the result."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result


class Turn:
    """For work that waits for something in between anyhow, so that it cannot be steps."""

    def __init__(self, turn_s: float = _TURN_S) -> None:
        self._turn_s = turn_s
        self._ends = 0.0

    async def over(self) -> bool:
        """To be awaited after each step: lets other tasks run when a turn is over. Returns whether it was."""
        if time.monotonic() < self._ends:
            return False
        await PAUSE.get()()
        self._ends = time.monotonic() + self._turn_s
        return True
