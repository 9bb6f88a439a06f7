"""Long work goes on beside everything else on the event loop, and nobody sees half of it."""

from __future__ import annotations

import asyncio

import pytest

from pilothouse.model.reasons import Reason
from pilothouse.model.services import Endpoint, Port, Service, ServiceName, ServiceSpec
from pilothouse.serving.catalogue import Catalogue
from pilothouse.serving.shelves import of_services
from pilothouse.structures.dirty import DirtySet
from pilothouse.structures.turns import at_once, in_turns


def steps(until, done):
    """Steps without an end of their own."""
    while not until():
        done.append(None)
        yield
    return "done"


async def test_other_tasks_run_while_there_is_much_to_do():
    others = asyncio.Event()
    done = []
    asyncio.get_running_loop().call_soon(others.set)
    assert await in_turns(steps(others.is_set, done)) == "done"


async def test_little_work_is_done_without_a_pause():
    others = asyncio.Event()
    asyncio.get_running_loop().call_soon(others.set)
    done = []
    assert await in_turns(steps(lambda: len(done) == 3, done)) == "done"
    assert not others.is_set()


async def test_what_is_marked_together_is_taken_together():
    changed: DirtySet[str] = DirtySet()
    taking = asyncio.create_task(changed.take())
    with changed.together():
        changed.mark(["a"])
        await asyncio.sleep(0)
        changed.mark(["b"])
        changed.touch()
        await asyncio.sleep(0)
        assert not taking.done()
    assert await taking == {"a", "b"}


async def test_what_was_marked_before_waits_for_what_is_marked_together():
    changed: DirtySet[str] = DirtySet()
    taking = asyncio.create_task(changed.take())
    await asyncio.sleep(0)
    changed.mark(["a"])
    with changed.together():
        await asyncio.sleep(0)
        assert not taking.done()
        changed.mark(["b"])
    assert await taking == {"a", "b"}


def service(name, *addresses, **spec):
    return Service(
        ServiceSpec(ServiceName("shop", name), (Port("http", 80),), **spec),
        tuple(Endpoint(address, (("http", 80),)) for address in addresses),
    )


@pytest.mark.parametrize("count", [1, 64, 65, 200])
def test_a_change_is_in_force_as_a_whole_or_not_at_all(count):
    catalogue = Catalogue()
    before = {found.name: found for found in (service(f"s{number}", "10.0.0.1") for number in range(count))}
    catalogue.apply(sorted(before), before)
    after = {
        name: service(name.name, "10.0.0.1", vips=(f"10.1.0.{number % 250}",))
        for number, name in enumerate(before)
    }
    states, work = [_counts(catalogue)], catalogue.applying(sorted(after), after)
    while True:
        try:
            next(work)
        except StopIteration as done:
            changes = done.value
            break
        states.append(_counts(catalogue))
    assert len(changes) == count
    fresh = Catalogue()
    fresh.apply(sorted(after), after)
    assert _counts(catalogue) == _counts(fresh)
    assert all(state in (states[0], _counts(fresh)) for state in states)


def test_a_change_in_steps_says_what_it_says_at_once():
    services = {
        found.name: found
        for found in [
            *(service(f"s{number}", "10.0.0.1", vips=(f"10.1.0.{number // 2}",)) for number in range(100)),
            service("alias", external_name="s5.shop.svc.cluster.local"),
        ]
    }
    stepped, at_a_time = Catalogue(), Catalogue()
    changes = at_once(stepped.applying(sorted(services), services))
    for name in sorted(services):
        at_a_time.apply([name], services)
    assert {change.service.name for change in changes} == services.keys()
    assert _counts(stepped) == _counts(at_a_time)
    for each in services.values():
        assert stepped.omissions(each) == at_a_time.omissions(each)


def chain(length):
    for number in range(length):
        following = f"s{number + 1:05}.shop.svc.cluster.local" if number < length - 1 else ""
        yield service(f"s{number:05}", external_name=following)


class Counting(Catalogue):
    """Counts how often it looks at a service."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: list[ServiceName] = []

    def _admit(self, name, service):
        self.looks.append(name)
        return super()._admit(name, service)


@pytest.mark.parametrize("backwards", [False, True])
def test_a_chain_of_aliases_is_looked_at_in_proportion_to_its_length(backwards):
    services = {found.name: found for found in chain(600)}
    catalogue = Counting()
    catalogue.apply(sorted(services, reverse=backwards), services)
    assert len(catalogue.looks) <= 2 * len(services)


def test_aliases_lead_through_sixteen_others_at_most():
    services = {found.name: found for found in chain(20)}
    catalogue = Catalogue()
    catalogue.apply(sorted(services), services)
    codes = [[each.reason for each in catalogue.omissions(services[name])] for name in sorted(services)]
    too_long = [Reason.ALIAS_LOOP in found for found in codes]
    assert too_long == [True] * 3 + [False] * 17


def _counts(catalogue: Catalogue) -> dict[object, int]:
    return {type: shelf.count() for type, shelf in of_services(catalogue).items()}
