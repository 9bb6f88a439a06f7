"""Numbers by bounds, cumulated as Prometheus reads them."""

from __future__ import annotations

from pilothouse.structures.histogram import Histogram


def test_a_bound_includes_itself_and_all_below_and_the_last_has_everything() -> None:
    seen = Histogram((1.0, 2.0))
    for number in (0.5, 1.0, 1.5, 9.0):
        seen.observe(number)
    assert seen.cumulative == (2, 3, 4)
    assert seen.sum == 12.0
