"""Whatever stands in a field of a route: a real Envoy takes all that comes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from subprocess import CompletedProcess

import pytest

from pilothouse._pb.envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap
from pilothouse._pb.envoy.config.route.v3.route_components_pb2 import Route
from pilothouse._pb.envoy.config.route.v3.route_pb2 import RouteConfiguration
from pilothouse._pb.envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm,
)
from pilothouse.kubernetes.join import Cluster
from pilothouse.kubernetes.objects.types import RouteObject
from pilothouse.mesh.audience import Address
from pilothouse.mesh.claims import Claims
from pilothouse.translate.listeners import egress_listener
from pilothouse.translate.names import mesh_ports
from pilothouse.translate.routes.answers import request_routes

from ..kubernetes.test_spoilt import DOCUMENTS, ODD, places, read, spoilt

# Beside those of all documents, what Envoy has limits for.
ODDER = [
    *ODD,
    "a" * 2_000,
    "%" * 9_000,
    "a" * 20_000,
    "/" + "a" * 20_000,
    "/a\nb",
    "/\x00",
    "/\x7f",
    "a\tb",
    "(?!x)",
    "a{0,100}",
    "[^/]+" * 30,
    "\\1",
    "%",
    "99999h",
    "0s",
    "*/*",
    ":status",
    "host",
    2**31,
    2**32,
    2**63,
]


def routes(kind: str) -> Iterator[list[Route]]:
    """What routes of a kind become with one odd field after the other, each outcome once."""
    cluster, seen = Cluster(), set()
    cluster.apply(found for each in DOCUMENTS if (found := read(each)) and not isinstance(found, RouteObject))
    for document in (each for each in DOCUMENTS if each["kind"] == kind):
        for path in places(document["spec"], ("spec",)):
            for value in ODDER:
                found = read(spoilt(document, path, value))
                if found is not None and repr(found) not in seen:
                    seen.add(repr(found))
                    cluster.apply([found])
                    yield from translated(cluster)
                    cluster.apply([], [found.key])


def translated(cluster: Cluster) -> Iterator[list[Route]]:
    claims = Claims()
    specs = [service.spec for name in cluster.names if (service := cluster.service(name))]
    for spec in specs:
        claims.stake(spec)
    for spec in specs:
        for port in mesh_ports(spec) if spec.routes else ():
            if port.protocol.by_host:
                yield request_routes(claims.resolve(spec), port) or []


def static(found: Iterable[list[Route]]) -> Bootstrap:
    """The egress listener with a host for each of these."""
    configuration, known = RouteConfiguration(name="routes"), set[bytes]()
    configuration.validate_clusters.value = False
    for number, one in enumerate(found):
        new = [route for route in one if route.SerializeToString(deterministic=True) not in known]
        known.update(route.SerializeToString(deterministic=True) for route in new)
        if new:
            host = configuration.virtual_hosts.add(name=str(number), domains=[f"host-{number}"])
            host.routes.extend(new)
    bootstrap = Bootstrap()
    listener = bootstrap.static_resources.listeners.add()
    listener.CopyFrom(egress_listener(Address("127.0.0.1", 15001)))
    packed, manager = listener.filter_chains[0].filters[0].typed_config, hcm.HttpConnectionManager()
    assert packed.Unpack(manager)
    manager.route_config.CopyFrom(configuration)
    packed.Pack(manager)
    return bootstrap


@pytest.mark.envoy
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["HTTPRoute", "GRPCRoute"])
def test_envoy_takes_what_comes_of_a_route_with_an_odd_field(
    kind: str, validated: Callable[[Bootstrap], CompletedProcess[str]]
) -> None:
    done = validated(static(routes(kind)))
    assert done.returncode == 0, done.stderr[-2_000:]
