"""What each report has changed: numbered, bounded, and timed to its last answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.model.services import Service, ServiceName
from pilothouse.registry import merged
from pilothouse.registry.damping import Damping
from pilothouse.registry.merged import Registry
from pilothouse.registry.revisions import NAMED, Revisions
from pilothouse.sources import Cause
from pilothouse.structures.delivery import Delivery, confirmed, left, refused, told, unneeded

Make = Callable[..., Service]
Eventually = Callable[..., Awaitable[object]]
A, B = ServiceName("shop", "a"), ServiceName("shop", "b")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def revisions(clock: Clock) -> Revisions:
    return Revisions(most=3, patience_s=60, clock=clock)


def noted(registry: Registry) -> list[tuple[int, str, str, tuple[ServiceName, ...]]]:
    return [(one.number, one.source, one.place, one.names) for one in registry.revisions.recent]


def test_each_report_that_changes_something_has_a_number_a_source_a_place_and_names(
    make_service: Make,
) -> None:
    registry = Registry(["files", "consul"])
    files, consul = registry.shard("files"), registry.shard("consul")
    files.replace([make_service("shop/a", "10.0.0.1")], cause=Cause("/manifests"))
    files.put(make_service("shop/a", "10.0.0.1"), Cause("a.yaml:7"))  # changes nothing
    files.put(make_service("shop/a", "10.0.0.2"), Cause("a.yaml:7"))
    consul.put(make_service("shop/a", "10.0.0.3"), Cause("services/a@9"))  # is not in force
    consul.put(make_service("shop/b"), Cause("services/b@10"))
    files.remove(A, Cause("a.yaml"))
    assert noted(registry) == [
        (1, "files", "/manifests", (A,)),
        (2, "files", "a.yaml:7", (A,)),
        (3, "consul", "services/b@10", (B,)),
        (4, "files", "a.yaml", (A,)),
    ]


def test_what_is_reported_together_is_one_revision_as_old_as_the_first_of_it(make_service: Make) -> None:
    registry = Registry(["files", "consul"])
    shard = registry.shard("files")
    with shard.together():
        shard.put(make_service("shop/a"), Cause("a.yaml:1", 5.0))
        registry.shard("consul").put(make_service("shop/c"), Cause("services/c@1"))
        shard.put(make_service("shop/b"), Cause("b.yaml:1", 6.0))
    assert noted(registry)[-1] == (2, "files", "a.yaml:1", (A, B))
    assert registry.revisions.recent[-1].since == 5.0


async def test_a_change_that_no_report_made_says_so(make_service: Make, eventually: Eventually) -> None:
    registry = Registry(["files"], hold_s=0.01)
    shard = registry.shard("files")
    shard.restore([make_service("shop/old")])
    twenty = [make_service(f"shop/s{number}", f"10.0.0.{number + 1}") for number in range(20)]
    shard.replace(twenty)
    shard.replace([])
    await eventually(lambda: not registry.services)
    places = [one.place for one in registry.revisions.recent]
    assert (places[0], places[-1]) == (merged._KEPT.place, merged._RELEASED.place)


async def test_the_end_of_damping_is_a_revision_of_the_source(
    make_service: Make, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = iter([asyncio.get_running_loop().time()])
    monkeypatch.setattr(
        Damping, "damped", lambda self, service, now: (service, next(again, None)), raising=True
    )
    registry = Registry(["files"], damping=Damping())
    registry.shard("files").put(make_service("shop/a"), Cause("a.yaml:1"))
    registry._services.clear()  # as if it had been held back
    await eventually(lambda: len(registry.revisions.recent) == 2)
    assert noted(registry)[-1] == (2, "files", "the end of damping", (A,))


def test_it_takes_as_long_as_from_the_source_to_the_last_answer(revisions: Revisions, clock: Clock) -> None:
    revisions.note("files", Cause("a.yaml:1", since=99.0), [A])
    revisions.note("consul", Cause("services/b@1"), [B])
    assert [each.delay for each in revisions.recent] == [1.0, 0.0]
    delivery = revisions.take()
    assert delivery
    held = [told((), delivery), told((), delivery)]
    delivery.told_all()
    confirmed(held[0], 101.0)
    assert revisions.propagation == {}
    confirmed(held[1], 102.0)
    assert {source: seen.sum for source, seen in revisions.propagation.items()} == {
        "files": 3.0,
        "consul": 2.0,
    }
    assert not +revisions.pending


def test_what_a_client_rejects_is_not_timed(revisions: Revisions) -> None:
    revisions.note("files", Cause("a.yaml:1"), [A])
    delivery = revisions.take()
    assert delivery
    held = [told((), delivery), told((), delivery)]
    delivery.told_all()
    refused(held[0], 101.0)
    assert (revisions.rejected, revisions.pending) == ({}, {"files": 1})
    confirmed(held[1], 102.0)
    assert (revisions.propagation, revisions.rejected) == ({}, {"files": 1})


def test_what_a_client_left_without_an_answer_is_incomplete(revisions: Revisions) -> None:
    revisions.note("files", Cause("a.yaml:1"), [A])
    delivery = revisions.take()
    assert delivery
    held = [told((), delivery, "web-1"), told((), delivery, "web-2")]
    delivery.told_all()
    confirmed(held[0], 101.0, "web-1")
    left(held[1], "web-2")
    assert (revisions.propagation, revisions.incomplete) == ({}, {"files": 1})


def test_the_oldest_change_waits_until_all_are_told(revisions: Revisions, clock: Clock) -> None:
    assert revisions.unpublished_since is None
    revisions.note("files", Cause("a.yaml:1", since=98.0), [A])
    revisions.note("consul", Cause("services/b@1", since=97.0), [B])
    assert revisions.unpublished_since == 97.0
    delivery = revisions.take()
    assert delivery
    told((), delivery)
    revisions.note("files", Cause("a.yaml:1", since=99.0), [A])
    assert revisions.unpublished_since == 97.0, "some clients may not have been told yet"
    delivery.told_all()
    assert revisions.unpublished_since == 99.0


class Course:
    """Revisions of one source, and what can become of them. A step that is not possible does nothing."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.revisions = Revisions(most=3, patience_s=60, clock=self.clock)
        self.telling: Delivery | None = None
        self.waiting: list[tuple[Delivery, ...]] = []

    def note(self) -> None:
        self.revisions.note("files", Cause(), [A])

    def take(self) -> None:
        self.telling = self.telling or self.revisions.take()

    def tell(self) -> None:
        if self.telling is not None:
            self.waiting.append(told((), self.telling))

    def finish(self) -> None:
        if self.telling is not None:
            self.telling.told_all()
            self.telling = None

    def confirm(self) -> None:
        confirmed(self.waiting.pop(0) if self.waiting else (), self.clock.now)

    def refuse(self) -> None:
        refused(self.waiting.pop() if self.waiting else (), self.clock.now)

    def leave(self) -> None:
        left(self.waiting.pop() if self.waiting else ())

    def lack_nothing(self) -> None:
        unneeded(self.waiting.pop() if self.waiting else ())

    def wait(self) -> None:
        self.clock.now += 40
        self.revisions.expire()

    @property
    def parts(self) -> tuple[int, ...]:
        of, seen = self.revisions, self.revisions.propagation.get("files")
        counters = of.pending, of.incomplete, of.rejected, of.unneeded
        return (*(counter["files"] for counter in counters), seen.cumulative[-1] if seen else 0)


_STEPS = ["note", "take", "tell", "finish", "confirm", "refuse", "leave", "lack_nothing", "wait"]


@given(st.lists(st.sampled_from(_STEPS), max_size=60))
def test_each_revision_is_counted_once_whatever_happens(steps: list[str]) -> None:
    course = Course()
    for step in steps:
        getattr(course, step)()
        assert min(course.parts) >= 0
        assert sum(course.parts) == course.revisions.noted["files"]


def test_what_concerns_no_client_took_no_time_and_is_not_incomplete(
    revisions: Revisions, clock: Clock
) -> None:
    revisions.note("files", Cause(), [A])
    delivery = revisions.take()
    assert delivery
    delivery.told_all()
    clock.now += 61
    revisions.expire()
    assert (revisions.propagation, revisions.incomplete) == ({}, {})
    assert (revisions.unneeded, +revisions.pending) == ({"files": 1}, {})


def test_nothing_is_to_be_delivered_twice(revisions: Revisions) -> None:
    assert revisions.take() is None
    revisions.note("files", Cause(), [A])
    assert revisions.take()
    assert revisions.take() is None


def test_an_answer_that_is_overdue_is_not_waited_for(revisions: Revisions, clock: Clock) -> None:
    revisions.note("files", Cause(), [A])
    delivery = revisions.take()
    assert delivery
    held = told((), delivery)
    delivery.told_all()
    clock.now += 59
    revisions.expire()
    assert revisions.incomplete == {}
    clock.now += 2
    revisions.expire()
    confirmed(held, clock.now)
    assert (revisions.incomplete, revisions.propagation) == ({"files": 1}, {})


def test_only_so_many_are_waited_for_and_remembered(revisions: Revisions) -> None:
    deliveries = []
    for _ in range(5):
        revisions.note("files", Cause(), [A])
        deliveries.append(revisions.take())
    assert revisions.incomplete == {"files": 2}
    assert [one.number for one in revisions.recent] == [3, 4, 5]
    assert [bool(each and each.live) for each in deliveries] == [False, False, True, True, True]


def test_of_more_than_can_be_delivered_at_once_the_oldest_are_incomplete(revisions: Revisions) -> None:
    for _ in range(5):
        revisions.note("files", Cause(), [A])
    assert revisions.incomplete == {"files": 2}
    assert (revisions.latest, revisions.noted) == (5, {"files": 5})


def test_a_revision_of_many_services_names_some(revisions: Revisions) -> None:
    names = [ServiceName("shop", f"s{number}") for number in range(30_000)]
    revisions.note("files", Cause(), names)
    assert (len(revisions.recent[0].names), revisions.recent[0].touched) == (30_000, 30_000)
    revisions.note("files", Cause(), names)
    assert [len(each.names) for each in revisions.recent] == [NAMED, 30_000]


def test_of_what_is_reported_together_each_service_has_its_own_place() -> None:
    revisions = Revisions()
    one, other = ServiceName("shop", "a"), ServiceName("shop", "b")
    with revisions.together("files"):
        revisions.note("files", Cause("a.yaml:1"), [one])
        revisions.note("files", Cause("b.yaml:9"), [other])
    (revision,) = revisions.recent
    assert [revision.place_of(name) for name in (one, other)] == ["a.yaml:1", "b.yaml:9"]
