"""What the table of figures says of measurements."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the benchmarks are programs of the checkout

from benchmarks.figures import LAST, Run, middle, ratio
from benchmarks.servers import PRODUCT, Case

CASE = Case(1000, 10, 100, "delta")


def run(number: int, server: str, last_ms: float) -> Run:
    return Run(CASE, number, server, {"rounds": {"last_ms": last_ms}})


def test_a_case_is_read_as_it_is_written() -> None:
    assert Case.parsed("1000x10x100", "delta") == CASE


@pytest.mark.parametrize(("size", "variant"), [("1000x10", "delta"), ("0x1x1", "sotw"), ("1x1x1", "both")])
def test_what_is_no_case_is_refused(size: str, variant: str) -> None:
    with pytest.raises(ValueError, match="--"):
        Case.parsed(size, variant)


def test_a_ratio_compares_with_the_better_one_of_the_peers_that_are_named_in_the_same_turn() -> None:
    runs = [
        *(run(0, PRODUCT, 2), run(0, "slow", 30), run(0, "quick", 10)),
        *(run(1, PRODUCT, 20), run(1, "slow", 100), run(1, "quick", 140)),
    ]
    assert ratio(runs, CASE, LAST, ("slow", "quick")) == 5
    assert ratio(runs, CASE, LAST, ("quick",)) == 6
    assert middle(runs, CASE, "slow", LAST) == 65


def test_there_is_no_ratio_where_a_peer_was_not_measured() -> None:
    assert ratio([run(0, PRODUCT, 2)], CASE, LAST, ("quick",)) is None
