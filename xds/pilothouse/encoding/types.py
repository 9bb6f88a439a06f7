"""The types of resources that are served: all that differs between them is a row here.

A further type is a row of this table, a translate module that encodes it and a shelf (`serving/shelf`) that
says who may see what of it. The protocol, the server and the admin read the rows and name no type, but for
the two that make before break is about: clusters, which warm, and the endpoints that they wait for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from pilothouse.encoding import wire

PREFIX = "type.googleapis.com/"


# Rows are told apart by identity, which hashes in C: they are met several times on each push.
@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ResourceType:
    """One type. `message` is the full name of its messages.

    `label` is the short name of its discovery service, for people and metrics; `service` is that service, in
    the file `proto`, and says which methods it has.
    """

    CLUSTER: ClassVar[ResourceType]
    ENDPOINTS: ClassVar[ResourceType]
    LISTENER: ClassVar[ResourceType]
    ROUTES: ClassVar[ResourceType]
    RUNTIME: ClassVar[ResourceType]
    SECRET: ClassVar[ResourceType]

    message: str
    label: str
    proto: str
    service: str
    #: Whether a State of the World response restates everything, so that leaving one out deletes it.
    full_state: bool = False
    #: State of the World: whose versions must have matched on a stream before those of this type are
    #: believed. Without one and without full state, a client that comes back is sent again what it names.
    resumes_after: ResourceType | None = None
    #: What is new waits until the client has acknowledged changes of this type.
    waits_for: ResourceType | None = None
    #: What is gone stays until the client has let go of what waits for others, since that may refer to it.
    leaves_last: bool = False
    #: Whether no resource consists of parts of many services, nor does the set of them say what there is
    #: not: so what cannot be read has no bearing on what can.
    stands_alone: bool = False
    #: The encoding of a resource that is there and holds nothing, if absence would tell a client less.
    empty: Callable[[str], bytes] | None = None

    @property
    def url(self) -> str:
        """The type URL, for example `type.googleapis.com/envoy.config.cluster.v3.Cluster`."""
        return PREFIX + self.message

    def __repr__(self) -> str:
        return f"<{self.label}>"


ResourceType.CLUSTER = ResourceType(
    message="envoy.config.cluster.v3.Cluster",
    label="CDS",
    proto="envoy/service/cluster/v3/cds.proto",
    service="ClusterDiscoveryService",
    full_state=True,
    leaves_last=True,
)
ResourceType.ENDPOINTS = ResourceType(
    message="envoy.config.endpoint.v3.ClusterLoadAssignment",
    label="EDS",
    proto="envoy/service/endpoint/v3/eds.proto",
    service="EndpointDiscoveryService",
    resumes_after=ResourceType.CLUSTER,
    leaves_last=True,
    stands_alone=True,
    empty=lambda cluster: wire.text(1, cluster),
)
ResourceType.LISTENER = ResourceType(
    message="envoy.config.listener.v3.Listener",
    label="LDS",
    proto="envoy/service/listener/v3/lds.proto",
    service="ListenerDiscoveryService",
    full_state=True,
    waits_for=ResourceType.CLUSTER,
)
ResourceType.ROUTES = ResourceType(
    message="envoy.config.route.v3.RouteConfiguration",
    label="RDS",
    proto="envoy/service/route/v3/rds.proto",
    service="RouteDiscoveryService",
    resumes_after=ResourceType.LISTENER,
    waits_for=ResourceType.CLUSTER,
)

ResourceType.RUNTIME = ResourceType(
    message="envoy.service.runtime.v3.Runtime",
    label="RTDS",
    proto="envoy/service/runtime/v3/rtds.proto",
    service="RuntimeDiscoveryService",
    stands_alone=True,
    # A sidecar that waits for a layer does not start for 15 s.
    empty=lambda layer: wire.text(1, layer),
)
ResourceType.SECRET = ResourceType(
    message="envoy.extensions.transport_sockets.tls.v3.Secret",
    label="SDS",
    proto="envoy/service/secret/v3/sds.proto",
    service="SecretDiscoveryService",
    stands_alone=True,
)

#: In the order in which additions are sent: what is referred to first.
TYPES = (
    ResourceType.CLUSTER,
    ResourceType.ENDPOINTS,
    ResourceType.LISTENER,
    ResourceType.ROUTES,
    ResourceType.RUNTIME,
    ResourceType.SECRET,
)
BY_URL: Mapping[str, ResourceType] = {type.url: type for type in TYPES}

#: What changed in a world: names by type, created, changed or gone.
Changes: TypeAlias = Mapping[ResourceType, frozenset[str]]


def turns(types: tuple[ResourceType, ...] = TYPES) -> tuple[ResourceType, ...]:
    """The order in which types are looked at. The second look is for removals that the first found nothing
    left to wait for.
    """
    return (*types, *(type for type in reversed(types) if type.leaves_last))
