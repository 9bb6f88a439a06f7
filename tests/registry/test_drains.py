"""What an operator has taken out of service stays out, whatever the sources report, until it ends."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from pilothouse.model.services import Endpoint, Service, ServiceName, ServiceSpec
from pilothouse.registry.drains import Drain, Drains, Target, in_force, without
from pilothouse.registry.merged import OPERATOR, Registry
from pilothouse.sources import Cause
from pilothouse.structures.turns import at_once

CART, SHIP = ServiceName("shop", "cart"), ServiceName("shop", "ship")
FIRST = Target("10.0.0.1")


def drain(target: Target = FIRST, until: float = 100.0, reason: str = "its disk is full") -> Drain:
    return Drain(target, "alice", reason, 0.0, until)


def out(service: Service) -> set[str]:
    """The addresses that are out of service."""
    assert all(bool(each.drained) == (each.weight == 0) for each in service.endpoints)
    return {each.address for each in service.endpoints if each.weight == 0}


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("10.0.0.1", Target("10.0.0.1")),
        ("10.0.0.1:80", Target("10.0.0.1", 80)),
        ("fd00:0::9", Target("fd00::9")),
        ("[fd00::9]", Target("fd00::9")),
        ("[fd00::9]:80", Target("fd00::9", 80)),
    ],
)
def test_a_target_is_an_address_with_or_without_a_port(text: str, target: Target) -> None:
    assert Target.parse(text) == target
    assert Target.parse(target.place) == target


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "cart",
            "10.0.0",
            "10.0.0.1:",
            "10.0.0.1:0",
            "10.0.0.1:65536",
            "10.0.0.1:-1",
            "10.0.0.1:\u0661",
        ),
        *("fe80::1%eth0", "[fe80::1%eth0]:80", "fe80::1%\nx", "10.0.0.1\n", " 10.0.0.1", "10.0.0.1:80\n"),
        *("[[fd00::9]]", "[fd00::9", "fd00::9]", "[10.0.0.1]", "[[10.0.0.1]]:80", "1:2:3:4:5:6:7:8:80"),
        *("10.0.0.1:" + "1" * 5000, "1" * 5000, "10.0.0.1:\u0661"),
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither an IP address nor IP:PORT") as refused:
        Target.parse(text)
    assert len(str(refused.value)) < 160


def test_only_the_drained_endpoint_is_out(make_service: Callable[..., Service]) -> None:
    drains, service = Drains(), make_service("shop/cart", "10.0.0.1", "10.0.0.2")
    assert drains.applied(service) is service
    drains.replace([drain()])
    found = drains.applied(service)
    assert out(found) == {"10.0.0.1"}
    assert found.endpoints[0].drained == "alice, until 1970-01-01 00:01:40 UTC: its disk is full"
    assert drains.services(FIRST) == [CART]


def test_what_is_supposed_of_a_service_does_not_move_its_drains(make_service: Callable[..., Service]) -> None:
    registry = Registry(["files"])
    registry.shard("files").replace([make_service("shop/cart", "10.0.0.1", "10.0.0.2")])
    registry.drains.replace([drain()])
    registry.redrained([CART], Cause("alice"))
    supposed = registry.supposing("files", {CART: make_service("shop/cart", "10.0.0.1", "10.0.0.3")})[CART]
    assert supposed is not None
    assert out(supposed) == {"10.0.0.1"}
    registry.supposing("files", {CART: make_service("shop/cart", "10.0.0.2")})
    assert registry.drains.services(FIRST) == [CART]
    assert registry.drains.replace([]) == {CART}, "whoever ends the drain finds it"


def test_a_drain_is_about_one_service_and_one_port_if_it_says_so() -> None:
    endpoints = (Endpoint("10.0.0.1", (("http", 80),)), Endpoint("10.0.0.1", (("http", 81),)))
    cart, ship = (Service(ServiceSpec(name), endpoints) for name in (CART, SHIP))
    drains = Drains()
    drains.replace([drain(Target("10.0.0.1", 81, CART))])
    assert [each.weight for each in drains.applied(cart).endpoints] == [1, 0]
    assert drains.applied(ship) is ship


def test_an_address_of_ipv6_may_be_written_otherwise(make_service: Callable[..., Service]) -> None:
    drains = Drains()
    drains.replace([drain(Target.parse("fd00::1"))])
    assert out(drains.applied(make_service("shop/cart", "fd00:0:0::1"))) == {"fd00:0:0::1"}


def test_of_two_drains_the_one_that_ends_last_is_shown(make_service: Callable[..., Service]) -> None:
    drains = Drains()
    drains.replace([drain(until=900.0), drain(Target("10.0.0.1", service=CART), until=60.0)])
    [endpoint] = drains.applied(make_service("shop/cart", "10.0.0.1")).endpoints
    assert "00:15:00" in endpoint.drained


def test_a_drain_without_a_reason_says_who_and_until_when() -> None:
    assert drain(reason="").words == "alice, until 1970-01-01 00:01:40 UTC"


def test_lists_of_drains_are_edited_by_target_and_time() -> None:
    both = [drain(until=10.0), drain(Target("10.0.0.2"), until=20.0)]
    assert in_force(both, 10.0) == both[1:]
    assert without(both, {FIRST}) == both[1:]


@pytest.fixture
async def registry(make_service: Callable[..., Service]) -> Registry:
    found = Registry(["files"], hold_s=60)
    services = [make_service(f"shop/{name}", "10.0.0.1", "10.0.0.2") for name in ("cart", "ship")]
    found.shard("files").replace(services, cause=Cause("cart.yaml"))
    return found


def order(registry: Registry, *drains: Drain) -> None:
    names = registry.drains.replace(drains)
    names |= {*at_once(registry.having([each.target for each in drains]))}
    registry.redrained(names, Cause("alice drains it"))


async def test_it_is_out_of_every_service_that_has_the_address(registry: Registry) -> None:
    order(registry, drain())
    assert [out(registry.services[name]) for name in (CART, SHIP)] == [{"10.0.0.1"}] * 2
    change = registry.revisions.recent[-1]
    assert (change.source, change.place, set(change.names)) == (OPERATOR, "alice drains it", {CART, SHIP})
    declared = registry.declared(CART)
    assert declared
    assert (declared.source, declared.place) == ("files", "cart.yaml"), "an operator declares nothing"


async def test_it_is_back_when_the_drain_ends(registry: Registry) -> None:
    before = dict(registry.services)
    order(registry, drain())
    order(registry)
    assert registry.services == before
    assert registry.revisions.noted[OPERATOR] == 2


async def test_a_drain_follows_the_endpoint_when_it_goes_and_comes(
    registry: Registry, make_service: Callable[..., Service]
) -> None:
    order(registry, drain())
    shard = registry.shard("files")
    shard.remove(CART)
    assert registry.drains.services(FIRST) == [SHIP]
    shard.put(make_service("shop/cart", "10.0.0.1", "10.0.0.3"))
    assert out(registry.services[CART]) == {"10.0.0.1"}
    order(registry)
    assert out(registry.services[CART]) == set()


async def test_a_drain_is_no_loss_that_the_guard_would_hold(
    make_service: Callable[..., Service],
) -> None:
    registry, shard_of = Registry(["files"], hold_s=60), [f"10.0.0.{number}" for number in range(1, 21)]
    services = [make_service("shop/cart", *shard_of)]
    registry.shard("files").replace(services)
    order(registry, *(drain(Target(each)) for each in shard_of))
    registry.shard("files").replace(services)
    assert registry.held("files") is None
    assert len(out(registry.services[CART])) == 20


@pytest.fixture
async def holding(make_service: Callable[..., Service]) -> Registry:
    """All of many services are gone without a word."""
    found = Registry(["files"], hold_s=60)
    found.shard("files").replace([make_service(f"shop/s{number}", "10.0.0.1") for number in range(20)])
    found.shard("files").replace([])
    assert found.held("files")
    return found


async def test_a_hold_that_is_released_is_over_and_the_loss_is_believed(holding: Registry) -> None:
    holding.release("files", Cause("alice releases the hold"))
    assert holding.held("files") is None
    assert not holding.services
    assert holding.revisions.recent[-1].place == "alice releases the hold"


async def test_a_loss_that_is_rejected_is_held_for_the_same_time_again(
    holding: Registry, make_service: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = holding.held("files")
    now = time.monotonic() + 50
    monkeypatch.setattr(time, "monotonic", lambda: now)
    holding.prolong("files")
    held = holding.held("files")
    assert before
    assert held
    assert held.since == before.since
    assert held.until == pytest.approx(now + 60)
    assert len(holding.services) == 20
    for number in range(20):
        holding.shard("files").put(make_service(f"shop/s{number}", "10.0.0.1"))
    assert holding.held("files") is None, "it ends by itself when everything is back"
