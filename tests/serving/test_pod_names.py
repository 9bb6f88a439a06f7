"""The names of the endpoints of a headless service, beside those of other services."""

from __future__ import annotations

import re
from itertools import permutations
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as Packed

from pilothouse._pb.envoy.config.route.v3.route_components_pb2 import VirtualHost
from pilothouse._pb.envoy.config.route.v3.route_pb2 import RouteConfiguration
from pilothouse.encoding.resources import Resource
from pilothouse.mesh.audience import Capture
from pilothouse.mesh.visibility import Scope
from pilothouse.model.services import Endpoint, Port, Service, ServiceName, ServiceSpec

HTTP = Port("http", 80)


def service(namespace: str, name: str, *pods: str) -> Service:
    spec = ServiceSpec(
        ServiceName(namespace, name),
        (HTTP,),
        headless=bool(pods),
        hostnames=pods,
    )
    endpoints = tuple(
        Endpoint(f"10.0.0.{number}", (("http", 80),), hostname=pod) for number, pod in enumerate(pods)
    )
    return Service(spec, endpoints)


def routed(town: Any, namespace: str) -> dict[str, str]:
    """The name of the virtual host of each domain. Fails if one comes twice."""
    resource = town.catalogue.routes(Scope(namespace=namespace), Capture.PROXY).resources["egress"]
    return {domain: host.name for domain, host in opened_hosts(resource).items()}


def opened_hosts(resource: Resource) -> dict[str, VirtualHost]:
    """The virtual host of each domain. Fails if one comes twice."""
    message = RouteConfiguration()
    assert Packed.FromString(resource.any).Unpack(message)
    pairs = [(domain, host) for host in message.virtual_hosts for domain in host.domains]
    assert len({domain.lower() for domain, _ in pairs}) == len(pairs), "Envoy refuses a domain that is twice"
    return dict(pairs)


def test_an_endpoint_has_every_form_of_the_name_of_its_service(town: Any) -> None:
    town.put(service("data", "db", "db-0", "db-1"))
    forms = ("db.data.svc.cluster.local", "db.data.svc.cluster.local.", "db.data.svc", "db.data")
    for namespace, more in (("data", ("db",)), ("shop", ())):
        domains = routed(town, namespace)
        for pod in ("db-0", "db-1", "*"):
            name = f"{pod}.db.data.svc.cluster.local:80"
            own = {domain for domain, owner in domains.items() if owner == name}
            assert own == {f"{pod}.{form}{port}" for form in (*forms, *more) for port in ("", ":80")}


ORDERS = [*permutations((service("data", "db", "db-0"), service("db", "db-0"), service("svc", "db", "db-0")))]


@pytest.mark.parametrize("order", ORDERS)
def test_a_service_that_is_called_so_has_the_name(town: Any, order: tuple[Service, ...]) -> None:
    for each in order:
        town.put(each)
    namesake = "db-0.db.svc.cluster.local:80"
    assert routed(town, "data")["db-0.db"] == namesake
    assert routed(town, "data")["db-0.db.data"] == "db-0.db.data.svc.cluster.local:80"
    assert routed(town, "svc")["db-0.db.svc"] == namesake
    assert routed(town, "svc")["db-0.db.svc.svc"] == "db-0.db.svc.svc.cluster.local:80"
    town.remove(ServiceName("db", "db-0"))
    assert routed(town, "data")["db-0.db"] == "db-0.db.data.svc.cluster.local:80"
    assert routed(town, "svc")["db-0.db.svc"] == "db-0.db.svc.svc.cluster.local:80"


def test_endpoints_that_come_and_go_leave_the_routes_alone_while_the_names_stay(
    town: Any, names_by_type: Any
) -> None:
    first = service("data", "db", "db-0", "db-1")
    town.put(first)
    changes = town.put(Service(first.spec, first.endpoints[:1]))
    assert names_by_type(changes) == {
        "EDS": {"outbound|80||db.data.svc.cluster.local"},
        "NDS": {"db.data.svc.cluster.local"},
    }
    changes = town.put(service("data", "db", "db-0"))
    assert names_by_type(changes)["RDS"] == {"egress"}


def test_an_endpoint_is_chosen_by_its_host_name_from_those_of_the_one_cluster(town: Any) -> None:
    town.put(service("data", "db", "db-0"))
    routes = town.catalogue.routes(Scope(namespace="data"), Capture.PROXY).resources["egress"].any
    assert len(re.findall(rb"envoy\.lb.{2,12}hostname.{2,12}db-0", routes, re.DOTALL)) == 1
    assert town.catalogue.clusters(Scope()).resources.keys() == {"outbound|80||db.data.svc.cluster.local"}


def test_a_service_has_the_name_that_one_of_its_endpoints_would_have(town: Any) -> None:
    town.put(service("db", "db", "db"))
    town.put(service("db", "db", "db", "db-1"))
    domains = routed(town, "db")
    assert domains["db.db"] == "db.db.svc.cluster.local:80"
    assert domains["db.db.db"] == "db.db.db.svc.cluster.local:80"
