"""What flaps waits before it is called again; what fails does not."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from pilothouse.model.reasons import Reason
from pilothouse.model.services import Endpoint, Service, ServiceName, ServiceSpec, State
from pilothouse.registry.damping import FLIPS, HOLD_S, WINDOW_S, Damping
from pilothouse.registry.merged import Registry

NAME = ServiceName("shop", "payments")
SPEC = ServiceSpec(NAME)


def service(flapping: bool | None, steady: bool = True) -> Service:
    """One endpoint that may flap, or be gone, and another one."""
    states = {"10.0.0.1": flapping, "10.0.0.2": steady}
    return Service(
        SPEC,
        tuple(
            Endpoint(address, (("http", 80),), State.READY if ready else State.NOT_READY)
            for address, ready in states.items()
            if ready is not None
        ),
    )


def ready(found: Service) -> set[str]:
    return {endpoint.address for endpoint in found.endpoints if endpoint.state is State.READY}


@pytest.fixture
def flapping() -> Damping:
    """At 0 s an endpoint has just changed for the fifth time and is ready; a second apart each."""
    damping = Damping()
    for flips in range(FLIPS + 1, 0, -1):
        damping.damped(service(flips % 2 == 0), -float(flips) + 0.5)
    return damping


def test_it_is_held_until_it_has_been_ready_for_a_while(flapping: Damping) -> None:
    found, again = flapping.damped(service(True), 0.5)
    assert ready(found) == {"10.0.0.2"}
    assert [omission.reason for omission in found.left_out] == [Reason.DAMPED]
    assert again == 0.5 + HOLD_S
    assert flapping.damped(service(True), again) == (service(True), None)


def test_a_few_changes_are_nothing_unusual() -> None:
    damping = Damping()
    for flips in range(FLIPS + 1):
        found, again = damping.damped(service(flips % 2 == 0), float(flips))
        assert (found, again) == (service(flips % 2 == 0), None)


def test_that_it_fails_counts_at_once(flapping: Damping) -> None:
    flapping.damped(service(True), 0.5)
    found, _ = flapping.damped(service(False), 1)
    assert (found.endpoints, found.left_out) == (service(False).endpoints, ())


def test_that_it_is_gone_counts_at_once_and_is_forgotten(flapping: Damping) -> None:
    flapping.damped(service(True), 0.5)
    assert flapping.damped(service(None), 1) == (service(None), None)
    assert flapping.damped(service(True), 2) == (service(True), None)


def test_the_last_ready_endpoint_is_never_held(flapping: Damping) -> None:
    assert flapping.damped(service(True, steady=False), 0.5)[0] == service(True, steady=False)


def test_one_in_maintenance_is_none_that_could_serve_in_its_place(flapping: Damping) -> None:
    found = service(True)
    resting = tuple(e._replace(weight=int(e.address == "10.0.0.1")) for e in found.endpoints)
    found = replace(found, endpoints=resting)
    assert flapping.damped(found, 0.5)[0] == found


def test_one_that_is_held_is_called_when_it_becomes_the_last_one(flapping: Damping) -> None:
    assert ready(flapping.damped(service(True), 0.5)[0]) == {"10.0.0.2"}
    assert ready(flapping.damped(service(True, steady=False), 1)[0]) == {"10.0.0.1"}


def test_changes_of_long_ago_do_not_count(flapping: Damping) -> None:
    flapping.damped(service(False), WINDOW_S)
    assert flapping.damped(service(True), WINDOW_S + 1) == (service(True), None)


def test_several_at_one_address_are_told_apart(flapping: Damping) -> None:
    other = Endpoint("10.0.0.1", (("http", 81),))
    flaps = service(True)
    found, _ = flapping.damped(replace(flaps, endpoints=(*flaps.endpoints, other)), 0.5)
    assert [e.state for e in found.endpoints] == [State.NOT_READY, State.READY, State.READY]


async def test_the_registry_readmits_it_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.registry.damping.HOLD_S", 0.01)
    registry = Registry(["files"], damping=Damping())
    shard = registry.shard("files")
    for flips in range(FLIPS + 2):
        shard.put(service(flips % 2 == 1))
    await registry.changed.take()
    assert ready(registry.services[NAME]) == {"10.0.0.2"}
    async with asyncio.timeout(5):
        await registry.changed.take()
    assert ready(registry.services[NAME]) == {"10.0.0.1", "10.0.0.2"}
