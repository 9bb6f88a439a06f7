"""The memory of this process, as the system counts it."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import resource
from pathlib import Path

_TRIM_S = 10.0  # how often to look whether memory has grown by so many bytes
_TRIMMED = 16 << 20


def settle() -> None:
    """Tell the garbage collector to ignore what was loaded, and to run less often."""
    gc.freeze()
    gc.enable()
    # While the collector examines as many objects as the product of the first two thresholds, all else waits.
    gc.set_threshold(10_000, 5, 5000)


async def give_back() -> None:
    """Regularly give memory back to the system that the C library keeps although it is free.

    After a flood of clients, glibc would keep hundreds of megabytes. Memory that is needed again soon is not
    given back, because that would cost time.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    settled = _resident()
    while trim is not None:
        await asyncio.sleep(_TRIM_S)
        if _resident() > settled + _TRIMMED:
            await asyncio.to_thread(trim, 0)
        else:
            settled = min(settled, _resident())


def _resident() -> int:
    """The memory of this process in bytes. 0 if the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return 0
