"""What a signal interrupts is ended in order, once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(main: Coroutine[Any, Any, T]) -> T:
    """As asyncio.run. Raises KeyboardInterrupt when a signal has ended it; further signals change nothing."""

    async def interruptible() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        received: set[int] = set()

        def stop(number: int) -> None:
            if not received:
                task.cancel()
            received.add(number)

        for number in _SIGNALS:
            loop.add_signal_handler(number, stop, number)
        return await main

    try:
        return asyncio.run(interruptible())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
