"""Two sources that know the same service: what is in force, and who said it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import Endpoint, Service, ServiceName, State
from pilothouse.registry.merged import Registry
from pilothouse.registry.merging import FirstWins, Merging, Origin, Tiers, Union

Make = Callable[..., Service]
NAME = ServiceName("shop", "a")
WEST, EAST = Origin("kubernetes", "west"), Origin("consul", "east")


def two(merging: Merging) -> Registry:
    return Registry([WEST, EAST], merging=merging)


def addresses(registry: Registry) -> list[str]:
    return [endpoint.address for endpoint in registry.services[NAME].endpoints]


def origins(registry: Registry) -> list[tuple[Origin, list[str]]]:
    return [
        (one.origin, [endpoint.address for endpoint in one.endpoints]) for one in registry.provenance(NAME)
    ]


def unready(service: Service) -> Service:
    endpoints = tuple(endpoint._replace(state=State.NOT_READY) for endpoint in service.endpoints)
    return replace(service, endpoints=endpoints)


@pytest.mark.parametrize("merging", [FirstWins(), Union(), Tiers(["kubernetes"], ["consul"])])
def test_what_one_source_knows_is_as_that_says_it_whatever_the_policy(
    make_service: Make, merging: Merging
) -> None:
    registry, told = two(merging), make_service("shop/a", "10.0.0.2", "10.0.0.1")
    registry.shard("consul").put(told)
    assert registry.services[NAME] is told
    assert origins(registry) == [(EAST, ["10.0.0.2", "10.0.0.1"])]
    registry.shard("consul").remove(NAME)
    assert (registry.services, origins(registry)) == ({}, [])


def test_by_default_the_first_source_wins(make_service: Make) -> None:
    registry = Registry(["kubernetes", "consul"])
    registry.shard("consul").put(make_service("shop/a", "10.0.1.1"))
    registry.shard("kubernetes").put(make_service("shop/a"))
    assert addresses(registry) == []
    assert origins(registry) == [(Origin("kubernetes"), [])]


def test_a_union_has_the_endpoints_of_all_and_the_spec_of_the_first(make_service: Make) -> None:
    registry = two(Union())
    registry.shard("consul").put(make_service("shop/a", "10.0.0.1", cluster_domain="theirs"))
    registry.shard("kubernetes").put(make_service("shop/a", "10.0.0.9", cluster_domain="ours"))
    assert registry.services[NAME].spec.cluster_domain == "ours"
    assert addresses(registry) == ["10.0.0.1", "10.0.0.9"]
    assert origins(registry) == [(WEST, ["10.0.0.9"]), (EAST, ["10.0.0.1"])]
    registry.shard("kubernetes").remove(NAME)
    assert registry.services[NAME].spec.cluster_domain == "theirs"


def test_an_endpoint_that_both_have_is_that_of_the_first(make_service: Make) -> None:
    registry, told = two(Union()), make_service("shop/a", "10.0.0.1")
    registry.shard("consul").put(told)
    registry.shard("kubernetes").put(unready(told))
    assert [endpoint.state for endpoint in registry.services[NAME].endpoints] == [State.NOT_READY]
    assert origins(registry) == [(WEST, ["10.0.0.1"]), (EAST, [])]


def test_ports_of_one_address_that_differ_are_two_endpoints(make_service: Make) -> None:
    registry, told = two(Union()), make_service("shop/a")
    for number, source in enumerate(registry.sources):
        endpoint = Endpoint("10.0.0.1", (("http", 8080 + number),))
        registry.shard(source).put(replace(told, endpoints=(endpoint,)))
    assert addresses(registry) == ["10.0.0.1", "10.0.0.1"]


def test_a_union_has_the_host_names_of_endpoints_and_the_omissions_of_all(make_service: Make) -> None:
    registry = two(Union())
    for number, source in enumerate(registry.sources):
        service = make_service("shop/a", f"10.0.0.{number}", hostnames=(f"pod-{1 - number}",), headless=True)
        omission = Omission(Reason.NOT_READY, f"10.9.0.{number}")
        registry.shard(source).put(replace(service, left_out=(omission,)))
    found = registry.services[NAME]
    assert found.spec.hostnames == ("pod-0", "pod-1")
    assert [omission.what for omission in found.left_out] == ["10.9.0.0", "10.9.0.1"]


def test_the_next_tier_is_called_while_the_first_has_nothing_to_call(make_service: Make) -> None:
    registry = two(Tiers(["kubernetes"], ["consul"]))
    ours = make_service("shop/a", "10.0.0.1", cluster_domain="ours")
    registry.shard("consul").put(make_service("shop/a", "10.0.1.1"))
    registry.shard("kubernetes").put(ours)
    assert origins(registry) == [(WEST, ["10.0.0.1"])]
    registry.shard("kubernetes").put(unready(ours))
    assert registry.services[NAME].spec.cluster_domain == "ours"
    assert origins(registry) == [(WEST, []), (EAST, ["10.0.1.1"])]
    assert addresses(registry) == ["10.0.1.1"]
    registry.shard("consul").put(make_service("shop/a"))
    assert addresses(registry) == ["10.0.0.1"]


def test_sources_of_one_tier_are_united_and_those_of_none_come_last(make_service: Make) -> None:
    registry = Registry(["one", "other", "rest"], merging=Tiers(["one", "other"]))
    for number, source in enumerate(registry.sources):
        registry.shard(source).put(make_service("shop/a", f"10.0.0.{number}"))
    assert addresses(registry) == ["10.0.0.0", "10.0.0.1"]
    registry.shard("one").put(make_service("shop/a"))
    registry.shard("other").remove(NAME)
    assert addresses(registry) == ["10.0.0.2"]


async def test_a_change_of_a_source_that_is_not_in_force_marks_nothing(make_service: Make) -> None:
    registry = two(Tiers(["kubernetes"], ["consul"]))
    registry.shard("kubernetes").put(make_service("shop/a", "10.0.0.1"))
    await registry.changed.take()
    latest = registry.revisions.latest
    registry.shard("consul").put(make_service("shop/a", "10.0.1.1"))
    registry.shard("kubernetes").put(make_service("shop/b"))
    assert await registry.changed.take() == {ServiceName("shop", "b")}
    assert registry.revisions.latest == latest + 1
