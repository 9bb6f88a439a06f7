"""The event loop is asked whether it lets work wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from pilothouse.structures.delay import BOUNDS, Delay


async def test_a_turn_that_is_too_long_is_seen(eventually: Callable[..., Awaitable[object]]) -> None:
    delay = Delay(every_s=0.001)
    measuring = asyncio.create_task(delay.measure())
    await eventually(lambda: delay.seen.cumulative[-1] > 0)
    before = delay.seen.sum
    time.sleep(0.3)  # noqa: ASYNC251  (it is this that everybody else has to wait for)
    await eventually(lambda: delay.seen.sum > before + 0.25)
    assert delay.seen.cumulative[-1] > delay.seen.cumulative[BOUNDS.index(0.25)]
    measuring.cancel()
