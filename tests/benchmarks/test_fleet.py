"""What the fleet of real Envoys is judged by."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))  # the benchmarks are programs of the checkout, not of the package

from benchmarks.fleet.look import look  # noqa: E402
from benchmarks.fleet.story import Outcome  # noqa: E402

_TYPES = ("CDS", "EDS", "LDS", "RDS")


def metrics(streams: int = 2, requests: int = 2, awaiting: int = 0) -> str:
    lines = [
        "# TYPE pilothouse_streams gauge",
        f'pilothouse_streams{{variant="delta"}} {streams}',
        "# TYPE pilothouse_requests_total counter",
        *(f'pilothouse_requests_total{{type="{type}"}} {requests}' for type in _TYPES),
        "# TYPE pilothouse_pushes_total counter",
        'pilothouse_pushes_total{type="EDS",variant="delta"} 5',
        'pilothouse_pushes_total{type="EDS",variant="sotw"} 3',
        "# TYPE pilothouse_subscriptions_awaiting_ack gauge",
        f'pilothouse_subscriptions_awaiting_ack{{type="EDS"}} {awaiting}',
        "# TYPE pilothouse_rejects_total counter",
        'pilothouse_rejects_total{type="CDS"} 1',
    ]
    return "\n".join(lines) + "\n"


def test_what_was_answered_is_what_was_sent_and_is_not_awaited() -> None:
    seen = look(metrics(awaiting=3))
    assert seen.answered == {"EDS": 5}
    assert seen.rejects == 1


@pytest.mark.parametrize(
    ("said", "settled"),
    [
        (metrics(), True),
        (metrics(streams=1), False),
        (metrics(requests=1), False),
        (metrics(awaiting=1), False),
    ],
)
def test_a_fleet_is_settled_when_all_are_there_have_asked_and_have_answered(said: str, settled: bool) -> None:
    assert look(said).settled(2) is settled


def test_nothing_is_complained_of_when_nothing_went_wrong() -> None:
    assert Outcome(2).complaints == []


def test_failed_requests_and_what_is_sent_again_and_rejects_are_complained_of() -> None:
    outcome = Outcome(2, sent_again=1, rejected=1)
    outcome.requests.see(0, 1, "503")
    assert [complaint.split()[:2] for complaint in outcome.complaints] == [
        ["1", "requests"],
        ["1", "responses"],
        ["1", "responses"],
    ]
