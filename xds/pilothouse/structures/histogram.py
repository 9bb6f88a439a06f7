"""How many numbers are no larger than each of some bounds: what Prometheus calls a histogram."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate


class Histogram:
    """Numbers that were seen, by bounds that ascend."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.sum = 0.0
        self._counts = [0] * (len(bounds) + 1)

    def observe(self, number: float) -> None:
        self._counts[bisect_left(self.bounds, number)] += 1
        self.sum += number

    @property
    def cumulative(self) -> tuple[int, ...]:
        """How many are no larger than each bound, and at the end how many there are."""
        return tuple(accumulate(self._counts))
