"""Which losses are believed: massive ones that nobody stated are held for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from pilothouse.model.services import Service, ServiceName
from pilothouse.registry.guard import Guard, Hold

Make = Callable[..., Service]
Town = Callable[..., dict[ServiceName, Service]]


@pytest.fixture
def town(make_service: Make) -> Town:
    def built(numbers: Iterable[int], endpoints: int = 1) -> dict[ServiceName, Service]:
        addresses = [[f"10.0.{number}.{index + 1}" for index in range(endpoints)] for number in range(100)]
        services = (make_service(f"shop/s{number}", *addresses[number]) for number in numbers)
        return {service.name: service for service in services}

    return built


def held(hold: Hold | None) -> tuple[int, int] | None:
    return (len(hold.names), hold.endpoints) if hold else None


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        (20, 20, None),
        (20, 11, None),
        (20, 10, (10, 10)),
        (20, 0, (20, 20)),
        (10, 0, (10, 10)),
        (9, 0, None),  # too few to tell
    ],
)
def test_half_of_ten_or_more_is_massive(
    town: Town, before: int, after: int, kept: tuple[int, int] | None
) -> None:
    verdict = Guard().judge(town(range(before)), town(range(after)), 100.0)
    assert held(verdict.hold) == kept
    assert len(verdict.in_force) == (before if kept else after)


def test_a_service_that_loses_all_of_its_endpoints_keeps_them_if_half_of_all_are_gone(town: Town) -> None:
    before = town(range(6), endpoints=4)
    verdict = Guard().judge(before, town(range(6), endpoints=0), 0.0)
    assert held(verdict.hold) == (6, 24)
    assert verdict.in_force == before


def test_what_is_added_while_something_is_held_is_in_force(town: Town, make_service: Make) -> None:
    new, moved = make_service("shop/new", "10.9.0.1"), make_service("shop/s0", "10.9.0.2")
    verdict = Guard().judge(town(range(20)), {new.name: new, moved.name: moved}, 0.0)
    assert verdict.in_force[new.name] is new
    addresses = [endpoint.address for endpoint in verdict.in_force[moved.name].endpoints]
    assert addresses == ["10.0.0.1", "10.9.0.2"]


def test_losses_that_follow_each_other_count_together(town: Town) -> None:
    guard = Guard()
    twenty, fourteen, eight = town(range(20)), town(range(14)), town(range(8))
    assert guard.judge(twenty, fourteen, 100.0).hold is None
    assert held(guard.judge(fourteen, eight, 110.0).hold) == (6, 6)
    later = Guard()
    assert later.judge(twenty, fourteen, 100.0).hold is None
    assert later.judge(fourteen, eight, 140.0).hold is None


def test_what_was_removed_explicitly_is_no_part_of_a_loss(town: Town) -> None:
    guard = Guard()
    guard.judge(town(range(20)), town(range(20)), 0.0)
    for name in town(range(10)):
        guard.removed(name)
    assert guard.judge(town(range(10, 20)), town(range(14, 20)), 1.0).hold is None


def test_a_hold_ends_when_it_began_plus_its_length_however_often_the_loss_is_reported(town: Town) -> None:
    guard, before = Guard(60), town(range(20))
    first = guard.judge(before, {}, 100.0).hold
    assert first is not None
    assert (first.since, first.until) == (100.0, 160.0)
    again = guard.judge(before, {}, 150.0, suspect=True, hold=first).hold
    assert again is not None
    assert again.until == 160.0
    guard.believed({}, 160.0)
    assert guard.judge({}, {}, 161.0).hold is None


def test_without_a_length_everything_is_believed(town: Town) -> None:
    assert Guard(0).judge(town(range(20)), {}, 0.0).in_force == {}


def test_whatever_a_suspect_report_lacks_is_held(town: Town) -> None:
    verdict = Guard().judge(town(range(3)), town(range(2)), 0.0, suspect=True)
    assert held(verdict.hold) == (1, 1)
    assert verdict.in_force == town(range(3))
    assert Guard().judge(town(range(3)), town(range(3)), 0.0, suspect=True).hold is None
