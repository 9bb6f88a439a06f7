"""Routes that a namespace has of its own to a service of another: for its clients, and for nobody else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as Packed

from pilothouse._pb.envoy.config.route.v3.route_pb2 import RouteConfiguration
from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.audience import Audience, Capture, Dialect
from pilothouse.mesh.visibility import Scope
from pilothouse.model.routing import Backend, Route, RouteKind, Rule
from pilothouse.model.services import Port, Service, ServiceName, ServiceSpec
from pilothouse.serving.changes import affected
from pilothouse.serving.world import World


def service(name: str, **fields: Any) -> Service:
    return Service(ServiceSpec(ServiceName("shop", name), (Port("http", 80),), **fields))


def leads_to(town: Any, namespace: str, configuration: str) -> str:
    routes = town.catalogue.routes(Scope(namespace=namespace), Capture.VIP).resources[configuration]
    message = RouteConfiguration()
    assert Packed.FromString(routes.any).Unpack(message)
    host = next(h for h in message.virtual_hosts if h.name.startswith("web.shop.svc.cluster.local"))
    return host.routes[0].route.cluster.split("|")[3].partition(".")[0]


@pytest.mark.parametrize("configuration", ["egress", "10.96.0.1_80"])
def test_only_the_clients_of_a_namespace_follow_its_routes(town: Any, configuration: str) -> None:
    def route(namespace: str, backend: str) -> Route:
        return Route(RouteKind.HTTP, namespace, "r", (Rule(backends=(Backend("shop", backend, 80),)),))

    web = service("web", vips=("10.96.0.1",), routes=(route("shop", "blue"), route("front", "green")))
    town.put(web, service("blue"), service("green"))
    assert leads_to(town, "front", configuration) == "green"
    assert leads_to(town, "shop", configuration) == leads_to(town, "data", configuration) == "blue"

    only = replace(web, spec=replace(web.spec, routes=(route("front", "green"),)))
    client = World(town.catalogue, Audience("data", capture=Capture.VIP))
    changes = town.put(only)
    told = affected(changes, client.audience.scope, Dialect.ENVOY)
    assert configuration in told[ResourceType.ROUTES]
    assert leads_to(town, "data", configuration) == "web"
    assert leads_to(town, "front", configuration) == "green"
