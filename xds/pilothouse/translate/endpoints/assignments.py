"""ClusterLoadAssignment: the endpoints of one port, as one client should see them.

It is joined from encoded endpoints. `pools` decides which endpoints a client may call; clients share its
results. `placement` decides the order.
"""

from __future__ import annotations

from functools import lru_cache

from pilothouse._pb.envoy.config.endpoint.v3.endpoint_components_pb2 import LocalityLbEndpoints
from pilothouse._pb.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from pilothouse.encoding import wire
from pilothouse.encoding.resources import checked
from pilothouse.mesh.audience import EndpointFacet
from pilothouse.model.services import Locality
from pilothouse.translate.endpoints.placement import placed
from pilothouse.translate.endpoints.pools import Pool

_LOCALITIES, _POLICY = 2, 4  # ClusterLoadAssignment.endpoints and .policy


def load_assignment(name: str, pool: Pool, client: EndpointFacet) -> bytes:
    """The encoded message for a client. Only the client's facet of the pool matters."""
    pieces = [_header(name)]
    placement = pool.outlook.placement
    for locality, priority, weight, encoded in placed(pool.allowed(client), placement, client):
        head = _locality_head(locality, weight or 1, priority)
        pieces += (wire.head(_LOCALITIES, len(head) + len(encoded)), head, encoded)
    if placement.overprovisioning:
        pieces.append(_policy(placement.overprovisioning))
    return b"".join(pieces)


@lru_cache(maxsize=1 << 16)
def _locality_head(locality: Locality, weight: int, priority: int) -> bytes:
    """A LocalityLbEndpoints without its endpoints. gRPC requires a locality and a weight in each."""
    message = LocalityLbEndpoints(priority=priority)
    message.locality.SetInParent()
    message.locality.region = locality.region
    message.locality.zone = locality.zone
    message.locality.sub_zone = locality.sub_zone
    message.load_balancing_weight.value = weight
    return checked(message)


@lru_cache(maxsize=1 << 16)
def _header(name: str) -> bytes:
    return checked(ClusterLoadAssignment(cluster_name=name))


@lru_cache(maxsize=1 << 10)
def _policy(overprovisioning: int) -> bytes:
    policy = ClusterLoadAssignment.Policy()
    policy.overprovisioning_factor.value = overprovisioning
    return wire.delimited(_POLICY, checked(policy))
