"""Long work on the event loop is done in turns with everything else there; nothing waits for its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from typing import TypeAlias, TypeVar

_TURN_S = 0.01

T = TypeVar("T")

#: Work that pauses after each step, and what it comes to.
Steps: TypeAlias = Generator[None, None, T]


async def in_turns(steps: Steps[T], turn_s: float = _TURN_S) -> T:
    """Do all steps. Other tasks run in between when a turn is over; work of less than a turn has no pause."""
    ends = time.monotonic() + turn_s
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
        if time.monotonic() >= ends:
            await asyncio.sleep(0)
            ends = time.monotonic() + turn_s


def at_once(steps: Steps[T]) -> T:
    """Do all steps without a pause."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
