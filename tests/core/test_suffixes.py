"""Host names that an operator adds to those of Kubernetes."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from pilothouse.model import Port, Service, ServiceName, ServiceSpec

from .test_pod_names import routed

SUFFIXES = (".mesh", ".service.test")


def service(namespace: str, name: str, *pods: str) -> Service:
    spec = ServiceSpec(
        ServiceName(namespace, name),
        f"{name}.{namespace}.svc.cluster.local",
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
