"""What a process does at a signal, once an event loop runs."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress


def heed(stop: Callable[[], None], again: Callable[[], None], **others: Callable[[], None]) -> None:
    """SIGTERM and SIGINT stop the process, SIGHUP makes it read everything again. `others` by their names."""
    handlers = {signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGHUP: again}
    handlers |= {signal.Signals[name]: handler for name, handler in others.items()}
    loop = asyncio.get_running_loop()
    for number, handler in handlers.items():
        # Only the main thread can do this, and only it receives signals.
        with suppress(RuntimeError, ValueError):
            loop.add_signal_handler(number, handler)
