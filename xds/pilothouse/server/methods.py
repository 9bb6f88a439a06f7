"""Which gRPC methods there are: ADS, and a service for each type, in both variants of the protocol."""

from __future__ import annotations

from typing import NamedTuple

from pilothouse._pb.envoy.service.cluster.v3 import cds_pb2
from pilothouse._pb.envoy.service.discovery.v3 import ads_pb2
from pilothouse._pb.envoy.service.endpoint.v3 import eds_pb2
from pilothouse._pb.envoy.service.listener.v3 import lds_pb2
from pilothouse._pb.envoy.service.route.v3 import rds_pb2
from pilothouse.encoding.resources import ResourceType


class Service(NamedTuple):
    """A gRPC service; `type` is what its requests are about if they do not say it, None for ADS."""

    name: str
    sotw_method: str
    delta_method: str
    type: ResourceType | None


def _service(module: object, name: str, methods: str, type: ResourceType | None) -> Service:
    descriptor = module.DESCRIPTOR.services_by_name[name]  # type: ignore[attr-defined]
    return Service(descriptor.full_name, f"Stream{methods}", f"Delta{methods}", type)


SERVICES = (
    _service(ads_pb2, "AggregatedDiscoveryService", "AggregatedResources", None),
    _service(cds_pb2, "ClusterDiscoveryService", "Clusters", ResourceType.CLUSTER),
    _service(eds_pb2, "EndpointDiscoveryService", "Endpoints", ResourceType.ENDPOINTS),
    _service(lds_pb2, "ListenerDiscoveryService", "Listeners", ResourceType.LISTENER),
    _service(rds_pb2, "RouteDiscoveryService", "Routes", ResourceType.ROUTES),
)
