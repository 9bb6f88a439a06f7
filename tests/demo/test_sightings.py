"""When a change counts as seen, and which requests count for what."""

from __future__ import annotations

from fractions import Fraction as F

from pilothouse.demo.shares import REFUSED
from pilothouse.demo.sightings import RECENT_S, Sightings, Watch

PAIR = {"a1": F(1, 2), "a2": F(1, 2)}
FIVE_TO_ONE = {"a1": F(5, 6), "a2": F(1, 6)}
OTHERS = {"b1": F(1)}
NOBODY = {REFUSED: F(1)}


def seen(watch: Watch, *outcomes: str, at: float = 10.0) -> Sightings:
    """A request every 0.1 s from `at` on, each of which takes 0.01 s."""
    sightings = Sightings(watch)
    for index, outcome in enumerate(outcomes):
        sightings.see(at + index / 10, at + index / 10 + 0.01, outcome)
    return sightings


def test_the_first_request_at_a_new_pod_shows_the_change() -> None:
    watch = Watch(PAIR, OTHERS, in_turn=False, changed_s=9.9)
    seen(watch, "a1", "a2", "a2", "b1", "b1")
    assert watch.took_ms is not None
    assert round(watch.took_ms) == 410
    assert watch.seen == {"b1": 1}


def test_what_was_sent_before_the_change_shows_nothing() -> None:
    watch = Watch(PAIR, OTHERS, in_turn=True, changed_s=10.05)
    seen(watch, "b1")
    assert not watch.shown


def test_what_was_sent_before_it_showed_is_not_held_against_the_new_state() -> None:
    watch = Watch(PAIR, OTHERS, in_turn=False, changed_s=10.0)
    sightings = seen(watch, "b1")
    sightings.see(10.005, 10.2, "a1")
    assert not watch.seen
    sightings.see(10.2, 10.3, "a1")
    assert watch.seen == {"a1": 1}


def test_where_two_take_turns_one_twice_in_a_row_shows_the_change() -> None:
    watch = Watch(PAIR, FIVE_TO_ONE, in_turn=True, changed_s=9.0)
    seen(watch, "a1", "a2", "a1", "a2")
    assert not watch.shown
    seen(watch, "a1", "a1")
    assert watch.shown


def test_of_five_to_one_the_lesser_one_is_every_sixth() -> None:
    watch = Watch(FIVE_TO_ONE, PAIR, in_turn=True, changed_s=9.0)
    seen(watch, *["a2", *["a1"] * 5] * 3)
    assert not watch.shown
    seen(watch, "a2", "a1", "a2")
    assert watch.shown


def test_of_more_than_two_none_can_be_too_early() -> None:
    mixed = {"a1": F(1, 2), "b1": F(1, 4), "c1": F(1, 4)}
    watch = Watch(mixed, PAIR, in_turn=True, changed_s=9.0)
    seen(watch, "b1", "b1", "c1", "c1")
    assert not watch.shown


def test_requests_that_overlap_do_not_take_turns() -> None:
    watch = Watch(PAIR, FIVE_TO_ONE, in_turn=False, changed_s=9.0)
    seen(watch, "a1", "a1", "a1")
    assert not watch.shown


def test_a_flow_that_a_change_is_not_for_counts_at_once() -> None:
    watch = Watch(PAIR, dict(PAIR), in_turn=True, changed_s=10.0)
    seen(watch, "a1", "a2")
    assert watch.shown
    assert watch.took_ms is None
    assert watch.seen == {"a1": 1, "a2": 1}


def test_refusals_are_right_while_there_are_no_pods_and_failures_otherwise() -> None:
    watch = Watch(PAIR, NOBODY, in_turn=True, changed_s=9.0)
    seen(watch, "a1", REFUSED, REFUSED, "500")
    assert (watch.refused, dict(watch.failed)) == (2, {"500": 1})
    watch = Watch(PAIR, PAIR, in_turn=True, changed_s=9.0)
    assert seen(watch, "a1", REFUSED).failed == 1


def test_a_pod_of_neither_state_is_a_failure() -> None:
    watch = Watch(PAIR, OTHERS, in_turn=True, changed_s=9.0)
    seen(watch, "c1")
    assert watch.failed == {"c1": 1}
    assert not watch.shown


def test_only_the_last_seconds_are_recent() -> None:
    sightings = seen(Watch(PAIR, PAIR, in_turn=True, changed_s=0), "a1", "a2")
    assert sightings.recent(10.5) == {"a1": 1, "a2": 1}
    assert sightings.recent(10.05 + RECENT_S) == {"a2": 1}
    assert sightings.sent == 2
