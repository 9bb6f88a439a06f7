"""The four types of resources: where they are served, and how a service shows in each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pilothouse._pb.envoy.config.cluster.v3.cluster_pb2 import Cluster
from pilothouse._pb.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from pilothouse._pb.envoy.config.listener.v3.listener_pb2 import Listener
from pilothouse._pb.envoy.config.route.v3.route_pb2 import RouteConfiguration

from .manifests import Namespace, Service

EGRESS = "egress"
#: What `Topic.read` says of a load assignment without endpoints.
NONE = 0


@dataclass(frozen=True)
class Topic:
    """One resource type, and a small language for it: the content of a resource is a number from 1.

    `made(n)` is a service whose resource has the content n, `read` finds n in the resource, and
    `name` is what the resource of a service is called.
    """

    label: str
    message: Any
    service: str
    methods: str
    made: Callable[[int], Service]
    read: Callable[[Any], int]
    name: Callable[[Namespace, str], str]

    @property
    def url(self) -> str:
        return f"type.googleapis.com/{self.message.DESCRIPTOR.full_name}"

    @property
    def full_state(self) -> bool:
        """Whether a SotW response restates everything."""
        return self.label in ("CDS", "LDS")

    def seen(self, n: int) -> int:
        """What is read of content n: of most resources there are only two."""
        return n if self.label == "EDS" else 2 - n % 2

    def __repr__(self) -> str:
        return self.label


def filter_of(listener: Listener) -> str:
    """The type URL of a listener's one network filter."""
    return listener.filter_chains[0].filters[0].typed_config.type_url


def _speaking(odd: str, even: str) -> Callable[[int], Service]:
    return lambda n: Service(speaks=odd if n % 2 else even)


def _address(assignment: ClusterLoadAssignment) -> int:
    found = [each for group in assignment.endpoints for each in group.lb_endpoints]
    return int(found[0].endpoint.address.socket_address.address.rpartition(".")[2]) if found else NONE


CDS = Topic(
    "CDS",
    Cluster,
    "envoy.service.cluster.v3.ClusterDiscoveryService",
    "Clusters",
    made=_speaking("http", "kubernetes.io/h2c"),
    read=lambda cluster: 2 if cluster.typed_extension_protocol_options else 1,
    name=Namespace.cluster,
)
EDS = Topic(
    "EDS",
    ClusterLoadAssignment,
    "envoy.service.endpoint.v3.EndpointDiscoveryService",
    "Endpoints",
    made=lambda n: Service(addresses=(f"10.1.0.{n}",)),
    read=_address,
    name=Namespace.cluster,
)
LDS = Topic(
    "LDS",
    Listener,
    "envoy.service.listener.v3.ListenerDiscoveryService",
    "Listeners",
    made=_speaking("tcp", "http"),
    read=lambda listener: 1 if filter_of(listener).endswith("TcpProxy") else 2,
    name=Namespace.listener,
)
# All services are in one route configuration. With content 1 a service is in it.
RDS = Topic(
    "RDS",
    RouteConfiguration,
    "envoy.service.route.v3.RouteDiscoveryService",
    "Routes",
    made=_speaking("http", "tcp"),
    read=lambda routes: len(routes.virtual_hosts) - 1,
    name=lambda namespace, service: EGRESS,
)
TOPICS = {topic.url: topic for topic in (CDS, EDS, LDS, RDS)}
ADS = "envoy.service.discovery.v3.AggregatedDiscoveryService"
