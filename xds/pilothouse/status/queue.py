"""Whose turn it is: each object once, not too often, later after failures. Pure: time is the caller's."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Generic, NamedTuple, TypeVar

from pilothouse.structures.backoff import pause_s

K = TypeVar("K", bound=Hashable)


class Times(NamedTuple):
    """In seconds. What comes within `gather` is one write.

    An object is written once in `calm` at most. One that keeps changing is written less and less often, down
    to once in `flapping`. After a failure it waits for `retry`, the first and the longest pause. If the
    server has failed, all objects wait, up to `trouble` or as long as the server says.
    """

    gather: float = 0.1
    calm: float = 0.5
    flapping: float = 30.0
    retry: tuple[float, float] = (0.5, 60.0)
    trouble: float = 5.0


USUAL = Times()


@dataclass(slots=True)
class _Past:
    """Of an object that was written or failed lately."""

    not_before: float = 0.0
    pause: float = 0.0
    failures: int = 0


class Queue(Generic[K]):
    """Bounded by the number of objects. An object that is asked for again while it waits keeps its turn."""

    def __init__(self, times: Times = USUAL) -> None:
        self._times = times
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._number = 0
        self._past: dict[K, _Past] = {}
        self._everything = _Past()

    def __len__(self) -> int:
        return len(self._due)

    def ask(self, keys: Iterable[K], now: float) -> None:
        for key in keys:
            if key not in self._due:
                past = self._past.get(key)
                self._add(key, max(now + self._times.gather, past.not_before if past else 0.0))

    def take(self, now: float) -> K | None:
        """An object whose turn it is. None if it is nobody's."""
        if now < self._everything.not_before:
            return None
        while self._heap and self._heap[0][0] <= now:
            due, _, key = heappop(self._heap)
            if self._due.get(key) == due:
                del self._due[key]
                return key
        return None

    def wait(self, now: float) -> float | None:
        """For how many seconds it is nobody's turn. None: until somebody asks."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heappop(self._heap)
        return max(0.0, max(self._heap[0][0], self._everything.not_before) - now) if self._heap else None

    def wrote(self, key: K, now: float) -> None:
        """An object was written. The next time has to wait, the longer the sooner this was after the last."""
        past = self._past.setdefault(key, _Past())
        often = past.pause and now < past.not_before + 2 * past.pause
        past.pause = min(self._times.flapping, 2 * past.pause) if often else self._times.calm
        past.not_before, past.failures = now + past.pause, 0
        self._everything.failures = 0
        if self._due.get(key, past.not_before) < past.not_before:  # it was asked for while it was written
            self._add(key, past.not_before)

    def failed(self, key: K, now: float, at_least: float = 0.0) -> None:
        """An object could not be written, and is to be tried again."""
        past = self._past.setdefault(key, _Past())
        self._fail(past, now, at_least, self._times.retry[1])
        self._add(key, past.not_before)

    def failed_for_all(self, key: K, now: float, at_least: float = 0.0) -> None:
        """The same, for a reason that is not the object's: for a while it is nobody's turn."""
        self.failed(key, now, at_least)
        if now >= self._everything.not_before:  # else it was under way with one that has failed already
            self._fail(self._everything, now, at_least, self._times.trouble)

    def _fail(self, past: _Past, now: float, at_least: float, longest: float) -> None:
        first, _ = self._times.retry
        pause = pause_s(past.failures, first, longest)
        past.failures += 1
        past.not_before = now + max(pause, at_least)

    def forget(self, key: K) -> None:
        """An object is gone."""
        self._due.pop(key, None)
        self._past.pop(key, None)

    def clear(self) -> None:
        self._due.clear()
        self._heap.clear()
        self._past.clear()
        self._everything = _Past()

    def _add(self, key: K, due: float) -> None:
        self._number += 1  # of two at the same moment, the first comes first
        self._due[key] = due
        heappush(self._heap, (due, self._number, key))
