"""Listeners and routes for gRPC clients that read xDS themselves (gRFC A27), without a sidecar."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from pilothouse._pb.envoy.config.listener.v3.listener_pb2 import Listener
from pilothouse._pb.envoy.config.route.v3.route_pb2 import RouteConfiguration
from pilothouse._pb.envoy.extensions.filters.http.router.v3.router_pb2 import Router
from pilothouse._pb.envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm,
)
from pilothouse.encoding.resources import Resource, checked, packed
from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.claims import Resolved
from pilothouse.model.policy import HashOn
from pilothouse.model.services import Port
from pilothouse.translate.clusters import ads
from pilothouse.translate.hashing import hash_calls
from pilothouse.translate.names import mesh_ports


def targets(resolved: Resolved) -> frozenset[str]:
    """All targets by which a client in the service's namespace may dial it, such as `payments.shop:8080`."""
    names = resolved.names.of_service()
    return frozenset(f"{host.text}:{port.number}" for host in names for port in _ports(resolved))


def dialled(resolved: Resolved, number: str) -> Port | None:
    """The port that the number in a target such as `payments.shop:8080` means."""
    return next((port for port in _ports(resolved) if str(port.number) == number), None)


def _ports(resolved: Resolved) -> Iterable[Port]:
    """The ports that gRPC clients can dial.

    None if endpoints are host names, which gRPC cannot resolve together.
    """
    answering = resolved.answering
    return () if answering is None or answering.hosts is not None else mesh_ports(answering)


@lru_cache(maxsize=1 << 12)  # bounded, because clients can vary upper and lower case of a target
def api_listener(target: str, cluster: str) -> Resource:
    """The listener for a dialled target. It refers to the route configuration with the cluster's name."""
    manager = hcm.HttpConnectionManager(stat_prefix="grpc")
    manager.rds.route_config_name = cluster
    manager.rds.config_source.CopyFrom(ads())
    manager.http_filters.add(name="router", typed_config=packed(Router()))
    listener = Listener(name=target)
    listener.api_listener.api_listener.CopyFrom(packed(manager))
    return Resource(ResourceType.LISTENER, target, checked(listener))


@lru_cache(maxsize=1 << 14)
def cluster_routes(cluster: str, hash_on: HashOn | None = None) -> Resource:
    """The routes of everything to one cluster, whatever authority the client dialled."""
    routes = RouteConfiguration(name=cluster)
    host = routes.virtual_hosts.add(name=cluster, domains=["*"])
    route = host.routes.add()
    route.match.prefix = ""
    route.route.cluster = cluster
    hash_calls(route, hash_on)
    return Resource(ResourceType.ROUTES, cluster, checked(routes))
