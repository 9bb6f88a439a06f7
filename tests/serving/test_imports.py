"""The service of a cluster set beside the cluster's own of the same namespace and name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as Packed

from pilothouse._pb.envoy.config.route.v3.route_pb2 import RouteConfiguration
from pilothouse.mesh.audience import ANYWHERE, Capture
from pilothouse.mesh.dependencies import Dependencies
from pilothouse.mesh.visibility import Scope
from pilothouse.model.routing import Backend, Route, RouteKind, Rule
from pilothouse.model.services import Endpoint, Port, Service, ServiceName, ServiceSpec

OWN, IMPORTED = ServiceName("shop", "payments"), ServiceName("shop", "payments", imported=True)
CLUSTER = "outbound|80||payments.shop.svc.cluster.local"
SET = "outbound|80||payments.shop.svc.clusterset.local"


def service(name: ServiceName, address: str, **spec: Any) -> Service:
    domain = "clusterset.local" if name.imported else "cluster.local"
    made = ServiceSpec(name, (Port("http", 80),), cluster_domain=domain)
    return Service(replace(made, **spec), (Endpoint(address, (("http", 8080),)),))


OWN_SERVICE, OF_SET = service(OWN, "10.0.0.1"), service(IMPORTED, "10.9.0.1")


def hosts(town, scope: Scope) -> dict[str, str]:
    """Each host name without a port, and the cluster that it leads to."""
    found = town.catalogue.routes(scope, Capture.PROXY).resources["egress"].any
    message = RouteConfiguration.FromString(Packed.FromString(found).value)
    return {
        domain: host.routes[0].route.cluster
        for host in message.virtual_hosts
        for domain in host.domains
        if ":" not in domain
    }


def test_each_is_called_by_its_own_names_and_the_set_has_no_short_ones(town) -> None:
    town.put(OWN_SERVICE, OF_SET)
    found = hosts(town, Scope(namespace="shop"))
    of_set = {host for host, cluster in found.items() if cluster == SET}
    assert of_set == {"payments.shop.svc.clusterset.local", "payments.shop.svc.clusterset.local."}
    assert found["payments"] == found["payments.shop.svc.cluster.local"] == CLUSTER
    addresses = [
        assignment.any
        for name in (CLUSTER, SET)
        if (assignment := town.catalogue.load_assignment(Scope(), ANYWHERE, name))
    ]
    assert b"10.0.0.1" in addresses[0]
    assert b"10.9.0.1" in addresses[1]


def test_one_that_goes_leaves_the_other_as_it_is(town) -> None:
    town.put(OWN_SERVICE, OF_SET)
    town.remove(OWN)
    assert town.catalogue.clusters(Scope()).resources.keys() == {SET}
    town.put(OWN_SERVICE)
    town.remove(IMPORTED)
    assert town.catalogue.clusters(Scope()).resources.keys() == {CLUSTER}


@pytest.mark.parametrize(
    ("dependencies", "found"),
    [
        (Dependencies(frozenset({OWN})), {CLUSTER, SET}),
        (Dependencies(frozenset({ServiceName("shop", "*")})), {CLUSTER, SET}),
        (Dependencies(frozenset({ServiceName("shop", "carts")})), set()),
        (Dependencies(None, excluded=frozenset({OWN})), set()),
    ],
)
def test_a_sidecar_that_depends_on_a_service_depends_on_that_of_the_set(
    town, dependencies: Dependencies, found: set[str]
) -> None:
    town.put(OWN_SERVICE, OF_SET)
    assert town.catalogue.clusters(Scope(dependencies)).resources.keys() == found


def test_a_dependency_is_known_if_only_the_set_has_it(town) -> None:
    town.put(OF_SET)
    scope = Scope(Dependencies(frozenset({OWN})))
    assert town.catalogue.unknown_dependencies(scope) == ()
    assert town.catalogue.clusters(scope).resources.keys() == {SET}


def test_a_route_of_the_service_may_lead_to_the_set(town) -> None:
    rule = Rule(backends=(Backend("shop", "payments", 80, imported=True),))
    route = Route(RouteKind.HTTP, "shop", "r", (rule,))
    town.put(service(OWN, "10.0.0.1", routes=(route,)), OF_SET)
    assert hosts(town, Scope(namespace="shop"))["payments"] == SET


def test_an_external_name_of_the_set_is_an_alias_of_the_import(town) -> None:
    alias = Service(
        ServiceSpec(
            ServiceName("shop", "pay"),
            (Port("http", 80),),
            external_name="payments.shop.svc.clusterset.local",
        )
    )
    town.put(alias)
    assert town.catalogue.clusters(Scope()).resources.keys() == set()
    town.put(OF_SET)
    assert hosts(town, Scope(namespace="shop"))["pay"] == SET
    assert town.catalogue.clusters(Scope()).resources.keys() == {SET}


def test_of_a_virtual_ip_that_both_have_the_import_gets_it_if_neither_is_older(town) -> None:
    both = {"vips": ("10.112.0.7",), "created": "2026-01-02T03:04:05Z"}
    derived = service(ServiceName("shop", "derived"), "10.9.0.1", **both)
    town.put(derived, service(IMPORTED, "10.9.0.1", **both))
    assert hosts(town, Scope())["10.112.0.7"] == SET
    older = service(ServiceName("shop", "derived"), "10.9.0.1", **both | {"created": "2025-01-02T03:04:05Z"})
    town.put(older)
    assert hosts(town, Scope())["10.112.0.7"] == "outbound|80||derived.shop.svc.cluster.local"
