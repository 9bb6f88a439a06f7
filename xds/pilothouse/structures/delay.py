"""How long the event loop lets work wait: what a turn that is too long costs everybody else."""

from __future__ import annotations

import asyncio
import time
from typing import NoReturn

from pilothouse.structures.histogram import Histogram

#: In seconds.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_EVERY_S = 0.2


class Delay:
    """Measures, a few times a second, how much later than it asked to a task gets to run."""

    def __init__(self, every_s: float = _EVERY_S) -> None:
        self._every_s = every_s
        self.seen = Histogram(BOUNDS)

    async def measure(self) -> NoReturn:
        """Measure for ever."""
        while True:
            due = time.monotonic() + self._every_s
            await asyncio.sleep(self._every_s)
            self.seen.observe(max(0.0, time.monotonic() - due))
