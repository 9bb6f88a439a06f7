"""From measurements to figures: medians over turns, and ratios to the better peer of the same turn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, TypeAlias

from benchmarks.servers import PEERS, PRODUCT, Case

Measurement: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """One server's measurement; those of one `number` were made right after each other."""

    case: Case
    number: int
    server: str
    measured: Measurement


@dataclass(frozen=True, slots=True)
class Figure:
    """A number in each measurement, and its place there. Smaller is better."""

    title: str
    place: tuple[str, str]
    scale: float = 1.0

    def of(self, measured: Measurement) -> float | None:
        """None if it was not measured."""
        value = (measured.get(self.place[0]) or {}).get(self.place[1])
        return None if value is None else value * self.scale


LAST = Figure("last ms", ("rounds", "last_ms"))
FIGURES = (
    Figure("first ms", ("rounds", "first_ms")),
    Figure("median ms", ("rounds", "median_ms")),
    Figure("p99 ms", ("rounds", "p99_ms")),
    LAST,
    Figure("push us CPU", ("rounds", "server_cpu_push_us")),
    Figure("memory MB", ("rounds", "memory_mb")),
    Figure("start s", ("state", "ready_s")),
    Figure("herd s", ("herd", "last_ms"), 1e-3),
    Figure("herd s CPU", ("herd", "server_cpu_s")),
    Figure("sent again", ("resumed", "resources")),
    Figure("churn median ms", ("churn", "median_ms")),
    Figure("churn p99 ms", ("churn", "p99_ms")),
    Figure("1st half p99", ("churn", "p99_first_half_ms")),
    Figure("2nd half p99", ("churn", "p99_second_half_ms")),
    Figure("churn CPU %", ("churn", "server_cpu_pct")),
    Figure("stalled KB", ("stalled", "client_kb")),
)

#: How many times faster than the better peer the last client is to be reached.
TARGETS = {
    Case(100, 10, 100, "sotw"): 1.2,
    Case(100, 10, 100, "delta"): 1.2,
    Case(1000, 10, 100, "sotw"): 7.0,
    Case(1000, 10, 100, "delta"): 6.0,
    Case(100, 10, 1000, "sotw"): 1.5,
    Case(100, 10, 1000, "delta"): 1.5,
    Case(1000, 10, 1000, "sotw"): 8.0,
    Case(1000, 10, 1000, "delta"): 6.0,
    Case(10000, 10, 100, "sotw"): 60.0,
    Case(10000, 10, 100, "delta"): 80.0,
    Case(10, 1000, 100, "sotw"): 0.8,
    Case(10, 1000, 100, "delta"): 0.8,
}


def middle(runs: Iterable[Run], case: Case, server: str, figure: Figure) -> float | None:
    """The median over the runs."""
    values = [figure.of(run.measured) for run in runs if (run.case, run.server) == (case, server)]
    found = [value for value in values if value is not None]
    return median(found) if found else None


def ratio(runs: Sequence[Run], case: Case, figure: Figure, peers: Sequence[str] = PEERS) -> float | None:
    """The median over the runs of the better peer's value divided by ours in the same run."""
    ratios = []
    for number in {run.number for run in runs}:
        values = {
            run.server: value
            for run in runs
            if (run.case, run.number) == (case, number) and (value := figure.of(run.measured)) is not None
        }
        theirs = [values[peer] for peer in peers if peer in values]
        if theirs and values.get(PRODUCT):
            ratios.append(min(theirs) / values[PRODUCT])
    return median(ratios) if ratios else None
