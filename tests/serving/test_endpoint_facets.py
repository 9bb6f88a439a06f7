"""Clients that look from different places share what does not depend on it, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pilothouse.encoding.resources import Selection
from pilothouse.encoding.types import TYPES, ResourceType
from pilothouse.mesh.audience import Audience
from pilothouse.model.services import Endpoint, Locality, Placement, Service, ordered
from pilothouse.serving.world import World

Make = Callable[..., Service]
PAYMENTS = "outbound|8080||payments.shop.svc.cluster.local"


def test_clients_on_different_nodes_choose_the_same_names_and_get_their_own_endpoints(
    town: Any, make_service: Make
) -> None:
    local = make_service("shop/payments", placement=Placement(local=True))
    on_nodes = [Endpoint(f"10.0.0.{n}", (("http", 8080),), node=f"n{n}") for n in (1, 2)]
    town.put(replace(local, endpoints=ordered(on_nodes)), make_service("shop/plain", "10.0.0.3"))
    plain = PAYMENTS.replace("payments", "plain")
    worlds = {node: World(town.catalogue, Audience("shop", node=node)) for node in ("n1", "n2", "n3", "n4")}

    names = {name: frozenset({name}) for name in (PAYMENTS, plain)}  # what is chosen is kept as long as these

    def chosen(name: str) -> dict[str, Selection]:
        return {n: w.chosen(ResourceType.ENDPOINTS, names[name]) for n, w in worlds.items()}

    found = {node: selection.resources[PAYMENTS] for node, selection in chosen(PAYMENTS).items()}
    assert b"10.0.0.1" in found["n1"].any
    assert b"10.0.0.2" not in found["n1"].any
    assert b"10.0.0.2" in found["n2"].any
    assert found["n3"] is found["n4"], "nothing is on either"
    assert len({id(selection) for selection in chosen(plain).values()}) == 1, "nodes do not matter there"
    town.put(make_service("shop/payments", "10.0.0.1"))
    assert len({id(selection) for selection in chosen(PAYMENTS).values()}) == 1, "nor here any more"


def test_who_says_no_node_does_not_share_with_who_does_though_nothing_is_on_any(
    town: Any, make_service: Make
) -> None:
    town.put(make_service("shop/payments", "10.0.0.1", placement=Placement(local=True)))
    for node, there in (("", True), ("n1", False), ("", True)):
        chosen = World(town.catalogue, Audience(node=node)).chosen(
            ResourceType.ENDPOINTS, frozenset({PAYMENTS})
        )
        assert (b"10.0.0.1" in chosen.resources[PAYMENTS].any) is there


def test_a_service_that_does_not_look_at_nodes_and_families_has_one_encoding_for_all(
    town: Any, make_service: Make
) -> None:
    town.put(make_service("shop/payments", "10.0.0.1"))
    clients = [
        Audience(node=f"n{n}", families=families) for n in (1, 2) for families in ((), ("ipv4", "ipv6"))
    ]
    found = {World(town.catalogue, client).get(ResourceType.ENDPOINTS, PAYMENTS) for client in clients}
    assert len(found) == 1
    other = World(town.catalogue, Audience(locality=Locality("eu")))
    assert other.get(ResourceType.ENDPOINTS, PAYMENTS) not in found


def test_a_changed_placement_is_a_change_of_the_endpoints_and_of_nothing_else_that_is_sent(
    town: Any, make_service: Make
) -> None:
    before = make_service("shop/payments", "10.0.0.1")
    town.put(before)
    world = World(town.catalogue, Audience("shop"))
    versions = {type: world.selection(type).versions for type in TYPES}
    (change,) = town.put(
        replace(before, spec=replace(before.spec, placement=Placement(overprovisioning=200)))
    )
    assert PAYMENTS in change.names[ResourceType.ENDPOINTS]
    assert [type for type in TYPES if world.selection(type).versions != versions[type]] == [
        ResourceType.ENDPOINTS
    ]


@pytest.mark.parametrize("placement", [Placement(), Placement(local=True)])
def test_an_endpoint_that_breaks_a_rule_is_found_before_anybody_asks(
    town: Any, make_service: Make, placement: Placement
) -> None:
    good = make_service("shop/payments", "10.0.0.1", "fd00::1", placement=placement)
    town.put(good)
    world = World(town.catalogue, Audience(node="n1"))
    before = world.get(ResourceType.ENDPOINTS, PAYMENTS)
    heavy = tuple(endpoint._replace(weight=2**33) for endpoint in good.endpoints)
    town.put(replace(good, endpoints=heavy))
    assert list(town.catalogue.quarantined) == [good.name]
    assert world.get(ResourceType.ENDPOINTS, PAYMENTS) is before
