"""Which runs pass, and how they are summed up."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace

import pytest
from rich.console import Console

from pilothouse.demo import tables
from pilothouse.demo.board import Board
from pilothouse.demo.mesh import FLOWS, START, Flow
from pilothouse.demo.screen import live
from pilothouse.demo.shares import wanted
from pilothouse.demo.sightings import Sightings, Watch
from pilothouse.demo.story import STORY, Doing
from pilothouse.demo.verdict import Reconnected, missed, tolerance, verdict

WEIGHT, KILL, RESTART = (
    next(act for act in STORY if act.doing is doing) for doing in (Doing.RENAME, Doing.KILL, Doing.RESTART)
)
REQUESTS = 600
ALL_WELL = Reconnected(streams=3, asked=True, after_s=1.2, responses=0)


def as_wanted(act=WEIGHT) -> dict[Flow, Watch]:
    """What is seen if everything is as it should be."""
    after, watches = act.edit(START), {}
    for flow in FLOWS:
        watch = Watch(wanted(START, flow), wanted(after, flow), in_turn=True, changed_s=0.0)
        watch.shown_s = 0.02 if watch.concerned else None
        watch.seen = Counter({name: round(share * REQUESTS) for name, share in watch.after.items()})
        watch.sent = REQUESTS
        watches[flow] = watch
    return watches


def test_an_act_that_went_as_it_should_is_met() -> None:
    result = verdict(WEIGHT, as_wanted(), ended_s=2.0)
    assert (result.met, result.failed, result.why) == (True, 0, ())
    assert (result.caller, result.expected, result.seen) == ("checkout-0", "a1 83%, a2 17%", "a1 83%, a2 17%")
    assert result.propagation_ms == pytest.approx(20)
    assert (result.requests, result.per_s) == (9 * REQUESTS, 3 * REQUESTS / 2)


def test_the_slowest_caller_says_how_long_it_took() -> None:
    watches = as_wanted()
    watches[FLOWS[-1]].shown_s = 0.5
    assert verdict(WEIGHT, watches, ended_s=2.0).propagation_ms == pytest.approx(500)


def test_one_failed_request_of_any_flow_is_a_miss() -> None:
    watches = as_wanted()
    watches[FLOWS[-1]].failed["503"] = 1
    result = verdict(WEIGHT, watches, ended_s=2.0)
    assert result.failed == 1
    assert result.why == ("gateway-0 -> web: 1 requests ended with 503",)
    assert result.caller == "gateway-0"


def test_a_change_that_nobody_sees_is_a_miss() -> None:
    watches = as_wanted()
    watches[WEIGHT.focus].shown_s = None
    assert verdict(WEIGHT, watches, 2.0).why == ("checkout-0 -> payments: the change was never seen",)


def test_shares_that_are_off_are_a_miss() -> None:
    watch = as_wanted()[WEIGHT.focus]
    watch.seen = Counter({"payments-a1": 300, "payments-a2": 300})
    assert missed(watch) == [
        "payments-a1 got 50.0% of 600 requests, not 83.3%",
        "payments-a2 got 50.0% of 600 requests, not 16.7%",
    ]


def test_a_single_request_at_a_pod_that_should_get_none_is_a_miss() -> None:
    watch = as_wanted()[WEIGHT.focus]
    watch.seen["payments-b1"] = 1
    assert missed(watch) == ["payments-b1 got 0.2% of 601 requests, not 0.0%"]


def test_no_requests_are_a_miss() -> None:
    watch = as_wanted()[WEIGHT.focus]
    watch.seen.clear()
    assert missed(watch) == ["no requests"]
    assert verdict(WEIGHT, {**as_wanted(), WEIGHT.focus: watch}, 2.0).seen == "nothing"


def test_a_move_under_too_little_load_is_a_miss() -> None:
    act = next(act for act in STORY if act.least_per_s)
    assert verdict(act, as_wanted(act), ended_s=3 * REQUESTS / 301).met
    assert verdict(act, as_wanted(act), ended_s=3 * REQUESTS / 299).why == (
        "only 299 requests per second, 300 are to be borne",
    )


def test_the_tolerance_shrinks_with_the_number_of_requests() -> None:
    assert tolerance(0.5, 100) == pytest.approx(0.27)
    assert tolerance(0.5, 10_000) == pytest.approx(0.0252)
    assert tolerance(0, 100) == tolerance(1, 100) == 0


@pytest.mark.parametrize(
    ("back", "met", "seen"),
    [
        (ALL_WELL, True, "3 streams after 1.2 s, nothing sent"),
        (replace(ALL_WELL, streams=2), False, "2 streams after 1.2 s, nothing sent"),
        (
            replace(ALL_WELL, asked=False),
            False,
            "3 streams after 1.2 s, nothing sent, not all asked for",
        ),
        (replace(ALL_WELL, responses=4), False, "3 streams after 1.2 s, 4 responses"),
    ],
)
def test_a_control_plane_that_comes_back_meets_all_and_sends_nothing(back, met, seen) -> None:
    result = verdict(RESTART, as_wanted(RESTART), 2.0, back)
    assert (result.met, result.seen) == (met, seen)
    assert result.propagation_ms is None


def test_a_killed_control_plane_costs_no_request() -> None:
    watches = as_wanted(KILL)
    assert verdict(KILL, watches, 2.0).seen == "none failed"
    watches[FLOWS[0]].failed["503"] = 2
    assert verdict(KILL, watches, 2.0).seen == "2 failed"


def printed(renderable: object, width: int) -> str:
    console = Console(width=width, height=24, file=io.StringIO())
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


@pytest.mark.parametrize("width", [80, 140])
def test_the_summary_names_what_was_expected_seen_and_missed(width: int) -> None:
    good = verdict(WEIGHT, as_wanted(), ended_s=2.0)
    bad = verdict(RESTART, as_wanted(RESTART), 2.0, replace(ALL_WELL, responses=4))
    text = printed(tables.summary([good, bad], width), width)
    told = (WEIGHT.title, "a1 83%, a2 17%", "20 ms", "ok", RESTART.title, "MISSED", "4 responses")
    assert [part for part in (*told, "10,800 requests, 0 failed") if part not in text] == []
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width


async def test_on_a_terminal_the_table_is_drawn_and_taken_away_again(eventually) -> None:
    screen = io.StringIO()
    console = Console(width=80, height=24, file=screen, force_terminal=True)
    sightings = {flow: Sightings(watch) for flow, watch in as_wanted().items()}
    async with live(console, Board(START, sightings, began_s=0.0)):
        await eventually(lambda: "payments-a1" in screen.getvalue())
    assert screen.getvalue().endswith("\x1b[2K")


def test_the_live_table_fits_into_a_small_terminal() -> None:
    sightings = {flow: Sightings(watch) for flow, watch in as_wanted().items()}
    board = Board(START, sightings, began_s=0.0)
    sightings[WEIGHT.focus].see(1.0, 1.1, "payments-a1")
    board.took(as_wanted().values())
    text = printed(tables.live(board, 2.0, 80, 24), 80)
    lines = text.rstrip("\n").splitlines()
    assert len(lines) <= 23
    assert "…" not in text
    row = next(line for line in lines if "payments-a1" in line).split()
    assert row == ["payments", "payments-a1", "eu-a", "1", "ready", "17%", "100%", "a", "20", "ms"]
    assert any(line.startswith(f"> 1 {WEIGHT.title}") for line in lines)
