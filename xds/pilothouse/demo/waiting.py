"""Waiting for a condition that nobody signals, because it comes true in another process."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable


async def until(check: Callable[[], bool | Awaitable[bool]], within_s: float, every_s: float = 0.02) -> bool:
    """Ask again and again. Returns whether it came true in time."""
    deadline = time.monotonic() + within_s
    while True:
        found = check()
        if await found if inspect.isawaitable(found) else found:
            return True
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(every_s)
