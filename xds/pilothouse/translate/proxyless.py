"""Listeners and routes for gRPC clients that read xDS themselves (gRFC A27), without a sidecar."""

from __future__ import annotations

from functools import lru_cache

from pilothouse._pb.envoy.config.listener.v3.listener_pb2 import Listener
from pilothouse._pb.envoy.config.route.v3.route_pb2 import RouteConfiguration
from pilothouse._pb.envoy.extensions.filters.http.router.v3.router_pb2 import Router
from pilothouse._pb.envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm,
)
from pilothouse.model import Port, ServiceSpec
from pilothouse.resources import Resource, ResourceType, checked
from pilothouse.translate.clusters import ads
from pilothouse.translate.http import packed
from pilothouse.translate.names import host_names, mesh_ports


def targets(spec: ServiceSpec) -> frozenset[str]:
    """All that a client in the service's own namespace may dial it by: `payments.shop:8080` and so on."""
    return frozenset(f"{host}:{port.number}" for host in host_names(spec, True) for port in mesh_ports(spec))


def dialled(spec: ServiceSpec, target: str, own_namespace: bool) -> Port | None:
    """The port that a target such as `payments.shop:8080` means, if it means this service."""
    host, _, number = target.lower().rpartition(":")
    if host not in host_names(spec, own_namespace):
        return None
    return next((port for port in mesh_ports(spec) if str(port.number) == number), None)


@lru_cache(maxsize=1 << 14)
def api_listener(target: str, cluster: str) -> Resource:
    """What a client is to do that dials a target: read the routes that have the name of the cluster."""
    manager = hcm.HttpConnectionManager(stat_prefix="grpc")
    manager.rds.route_config_name = cluster
    manager.rds.config_source.CopyFrom(ads())
    manager.http_filters.add(name="router", typed_config=packed(Router()))
    listener = Listener(name=target)
    listener.api_listener.api_listener.CopyFrom(packed(manager))
    return Resource(ResourceType.LISTENER, target, checked(listener))


@lru_cache(maxsize=1 << 14)
def cluster_routes(cluster: str) -> Resource:
    """Everything to one cluster, whichever form the authority has that the client dialled."""
    routes = RouteConfiguration(name=cluster)
    host = routes.virtual_hosts.add(name=cluster, domains=["*"])
    route = host.routes.add()
    route.match.prefix = ""
    route.route.cluster = cluster
    return Resource(ResourceType.ROUTES, cluster, checked(routes))
