"""Endpoints that become not ready in masses, though nobody has taken them away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from pilothouse.model.services import Service, ServiceName, State
from pilothouse.registry.merged import Registry
from pilothouse.registry.shard import Shard

Make = Callable[..., Service]
Eventually = Callable[..., Awaitable[object]]


@pytest.fixture
def town(make_service: Make) -> list[Service]:
    """Ten services with two endpoints each."""
    return [make_service(f"shop/s{n}", f"10.0.0.{n}", f"10.0.1.{n}") for n in range(10)]


def dark(service: Service, state: State = State.NOT_READY) -> Service:
    """The same, with no endpoint that is ready."""
    return replace(service, endpoints=tuple(each._replace(state=state) for each in service.endpoints))


def begun(town: list[Service], hold_s: float = 60.0) -> tuple[Registry, Shard]:
    registry = Registry(["cluster"], hold_s=hold_s)
    shard = registry.shard("cluster")
    shard.replace(town)
    return registry, shard


def ready(registry: Registry) -> int:
    """Services with an endpoint that is called."""
    return sum(
        any(each.state is State.READY for each in service.endpoints) for service in registry.services.values()
    )


async def test_fewer_than_half_are_believed_at_once(town: list[Service]) -> None:
    registry, shard = begun(town)
    for service in town[:4]:
        shard.put(dark(service), observed=True)
    assert ready(registry) == 6
    assert registry.held("cluster") is None


async def test_half_of_all_are_held_and_those_before_them_are_called_again(
    town: list[Service], eventually: Eventually
) -> None:
    registry, shard = begun(town, hold_s=0.5)
    for service in town[:7]:
        shard.put(dark(service), observed=True)
    assert ready(registry) == 10
    hold = registry.held("cluster")
    assert hold is not None
    assert (len(hold.names), hold.endpoints) == (7, 14)
    await eventually(lambda: ready(registry) == 3)
    assert registry.held("cluster") is None


async def test_what_is_ready_again_is_no_longer_held(town: list[Service]) -> None:
    registry, shard = begun(town)
    for service in town:
        shard.put(dark(service), observed=True)
    for service in town[1:]:
        shard.put(service, observed=True)
    hold = registry.held("cluster")
    assert hold is not None
    assert hold.names == {town[0].name}
    shard.put(town[0], observed=True)
    assert registry.held("cluster") is None
    assert ready(registry) == 10


async def test_what_is_deleted_or_ends_while_it_is_held_is_gone_at_once(town: list[Service]) -> None:
    registry, shard = begun(town)
    for service in town:
        shard.put(dark(service), observed=True)
    shard.remove(town[0].name)
    shard.put(dark(town[1], State.TERMINATING), observed=True)
    shard.put(replace(town[2], endpoints=()), observed=True)
    assert town[0].name not in registry.services
    assert ready(registry) == 7


async def test_a_list_of_everything_does_not_end_it(town: list[Service]) -> None:
    registry, shard = begun(town)
    for service in town:
        shard.put(dark(service), observed=True)
    shard.replace([dark(service) for service in town])
    assert ready(registry) == 10
    assert registry.held("cluster") is not None


async def test_a_list_in_which_nothing_is_ready_any_more_is_held_as_well(town: list[Service]) -> None:
    registry, shard = begun(town)
    shard.replace([dark(service) for service in town])
    assert ready(registry) == 10


async def test_what_fades_slowly_is_believed(town: list[Service], monkeypatch: pytest.MonkeyPatch) -> None:
    registry, shard = begun(town)
    now = [1000.0]
    monkeypatch.setattr("pilothouse.registry.merged.time.monotonic", lambda: now[0])
    for service in town:
        shard.put(dark(service), observed=True)
        now[0] += 31.0
    assert ready(registry) == 0


@pytest.mark.parametrize("hold_s", [0.0, 60.0])
async def test_what_somebody_states_is_believed_and_so_is_everything_without_a_hold(
    town: list[Service], hold_s: float
) -> None:
    registry, shard = begun(town, hold_s)
    for service in town:
        shard.put(dark(service), observed=not hold_s)
    assert ready(registry) == 0


async def test_what_was_restored_and_what_was_listed_again_count_once(town: list[Service]) -> None:
    registry = Registry(["cluster"])
    shard = registry.shard("cluster")
    shard.restore(town)
    shard.replace(town)
    shard.replace(town[:9])
    for service in town[:4]:
        shard.put(dark(service), observed=True)
    assert registry.held("cluster") is None
    shard.put(dark(town[4]), observed=True)
    assert registry.held("cluster") is not None


async def test_a_few_endpoints_are_never_a_mass(make_service: Make) -> None:
    registry, shard = begun([make_service("shop/a", *(f"10.0.0.{n}" for n in range(1, 10)))])
    shard.put(dark(registry.services[ServiceName("shop", "a")]), observed=True)
    assert ready(registry) == 0
