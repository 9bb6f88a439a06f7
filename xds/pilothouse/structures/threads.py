"""Work that may hang is done on a thread of its own, for which nobody has to wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


def on_a_thread(work: Callable[[], T], name: str) -> asyncio.Future[T]:
    """The result of `work` on a daemon thread. The exit waits for threads of the loop's executor, not for
    this.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(found: T | BaseException) -> None:
        if future.cancelled():
            return
        if isinstance(found, BaseException):
            future.set_exception(found)
            future.exception()  # nobody may be waiting any more
        else:
            future.set_result(found)

    def run() -> None:
        try:
            found: T | BaseException = work()
        except BaseException as error:  # noqa: BLE001  (it is for whoever waits, on the other thread)
            found = error
        with suppress(RuntimeError):  # the loop may have ended
            loop.call_soon_threadsafe(settle, found)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
