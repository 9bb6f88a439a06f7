"""A histogram as Prometheus defines it: for each bound, how many values are less than or equal to it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate


class Histogram:
    """A histogram with ascending upper bounds."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.sum = 0.0
        self._counts = [0] * (len(bounds) + 1)

    def observe(self, number: float) -> None:
        self._counts[bisect_left(self.bounds, number)] += 1
        self.sum += number

    @property
    def cumulative(self) -> tuple[int, ...]:
        """For each bound, the number of values up to it; at the end, the number of all values."""
        return tuple(accumulate(self._counts))
