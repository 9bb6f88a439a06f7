"""Host names that an operator adds to those of Kubernetes."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.model.services import Port, Protocol, Service, ServiceName, ServiceSpec

from .conftest import Town
from .test_pod_names import routed
from .test_server_names import server_names

SUFFIXES = (".mesh", ".service.test")


def service(namespace: str, name: str, *pods: str) -> Service:
    spec = ServiceSpec(
        ServiceName(namespace, name),
        (Port("http", 80),),
        headless=bool(pods),
        hostnames=pods,
        suffixes=SUFFIXES,
    )
    return Service(spec)


def test_a_service_is_called_by_each_suffix_as_well(town: Any) -> None:
    town.put(service("shop", "payments"))
    longer = {"payments.shop.mesh", "payments.shop.service.test"}
    assert longer <= routed(town, "data").keys()
    assert (
        longer | {"payments.mesh", "payments.mesh:80", "payments.service.test"} <= routed(town, "shop").keys()
    )
    assert "payments.mesh" not in routed(town, "data")


ORDERS = [
    *permutations(
        (service("shop", "payments"), service("mesh", "payments"), service("x", "mesh", "payments"))
    )
]


@pytest.mark.parametrize("order", ORDERS)
def test_a_service_of_a_namespace_that_is_called_as_a_suffix_has_the_name(
    town: Any, order: tuple[Service, ...]
) -> None:
    for each in order:
        town.put(each)
    for namespace in ("shop", "mesh", "x"):
        assert routed(town, namespace)["payments.mesh"] == "payments.mesh.svc.cluster.local:80"
    town.remove(ServiceName("mesh", "payments"))
    assert routed(town, "shop")["payments.mesh"] == "payments.shop.svc.cluster.local:80"
    assert routed(town, "x")["payments.mesh"] == "payments.mesh.x.svc.cluster.local:80"


def test_an_endpoint_gives_way_to_a_service_in_its_own_namespace(town: Any) -> None:
    town.put(service("x", "mesh", "payments"), service("x", "payments"))
    assert routed(town, "x")["payments.mesh"] == "payments.x.svc.cluster.local:80"


def test_endpoints_of_two_services_that_share_a_name_with_a_suffix_are_those_of_its_owner(town: Any) -> None:
    town.put(service("data", "db", "db-0"), service("mesh", "db", "db-0"))
    domains = routed(town, "data")
    assert domains["db-0.db.mesh"] == "db-0.db.mesh.svc.cluster.local:80"
    assert domains["*.db.mesh"] == "*.db.mesh.svc.cluster.local:80"
    assert domains["db-0.db.data.mesh"] == "db-0.db.data.svc.cluster.local:80"


def test_a_suffix_that_is_a_namespace_leaves_that_its_own_names(town: Any) -> None:
    spec = replace(service("shop", "payments").spec, suffixes=(".shop",))
    town.put(Service(spec))
    assert routed(town, "data")["payments.shop"] == routed(town, "shop")["payments"]


@st.composite
def towns(draw: st.DrawFn) -> list[Service]:
    """Services and suffixes whose names meet as often as they can."""
    suffixes = draw(st.lists(st.sampled_from(ENDINGS), max_size=3, unique=True))
    names = st.builds(ServiceName, st.sampled_from(LABELS), st.sampled_from(LABELS), st.just(False))
    pods = st.lists(st.sampled_from(LABELS), unique=True, max_size=2)
    return [
        Service(
            replace(
                service(name.namespace, name.name, *draw(pods)).spec, ports=PORTS, suffixes=tuple(suffixes)
            )
        )
        for name in draw(st.lists(names, unique=True, max_size=6))
    ]


LABELS = ("a", "b", "svc", "mesh")
ENDINGS = (".a", ".b.svc", ".svc", ".mesh", ".a.mesh", ".a.b", ".b.svc.cluster.local", ".cluster.local")
PORTS = (Port("http", 80), Port("https", 443, Protocol.TLS))


@given(towns(), st.lists(st.booleans()))
def test_no_domain_comes_twice_and_each_service_has_the_names_with_its_namespace(
    services: list[Service], gone: list[bool]
) -> None:
    town = Town()
    town.put(*services)
    for each, leaves in zip(services, gone, strict=False):
        if leaves:
            town.remove(each.name)
    for client in LABELS:
        domains, chains = routed(town, client), server_names(town, client)
        for name in town.services:
            host = f"{name.name}.{name.namespace}"
            for form in (host, f"{host}.svc"):
                assert domains[form] == f"{host}.svc.cluster.local:80"
                assert chains[form] == f"{host}.svc.cluster.local:443"
