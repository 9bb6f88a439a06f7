"""What a row of the table is judged by."""

from __future__ import annotations

from typing import Any

import pytest

from .injection import Outcome, injection, injections


def judged(absent: bool = False, **facts):
    outcome = Outcome("row", "what", **{"before_mb": 80.0, "after_mb": 90.0, **facts})
    outcome.judge(absent)
    return outcome.complaints


@pytest.mark.parametrize(
    "facts", [{"lost": {"503": 1}}, {"again": 1}, {"absences": 1}, {"rejected": 1}, {"after_mb": 900.0}]
)
def test_what_must_not_happen_is_complained_of(facts) -> None:
    assert len(judged(**facts)) == 1


def test_nothing_is_complained_of_when_all_is_well() -> None:
    assert judged() == []


def test_a_loss_that_was_asked_for_has_to_happen() -> None:
    assert judged(absent=True, absences=1) == []
    assert len(judged(absent=True)) == 1


def test_only_what_may_be_the_fault_of_the_machine_is_tried_again() -> None:
    slow, harmful = Outcome("row", "what", complaints=["too slow"]), Outcome("row", "what", absences=1)
    slow.judge()
    harmful.judge()
    assert (slow.inconclusive, harmful.inconclusive) == (True, False)


def test_a_function_of_a_module_is_a_row_that_is_described_by_its_docstring() -> None:
    class rows:
        @injection("--workers", "2", alone=True)
        async def a_fault(stage: Any) -> None:
            """Something
            happens."""

    module: Any = rows
    (row,) = injections(module)
    assert (row.name, row.what, row.flags) == ("a-fault", "Something happens.", ("--workers", "2"))
