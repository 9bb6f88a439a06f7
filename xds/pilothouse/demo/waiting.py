"""Waits for a condition in another process, which sends no signal."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable


async def until(check: Callable[[], bool | Awaitable[bool]], within_s: float, every_s: float = 0.02) -> bool:
    """Ask again and again. Returns whether the condition came true in time."""
    deadline = time.monotonic() + within_s
    while True:
        found = check()
        if await found if inspect.isawaitable(found) else found:
            return True
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(every_s)
