"""The table of resource types. Everything that differs between types is a column here.

A new type is a row of this table, a module of `translate` that encodes it, and a shelf (`serving/shelf`) that
says who may see which of its resources. The protocol, the server and the admin read the rows, and name no
type except two: make-before-break concerns clusters, which warm, and the endpoints that they wait for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from pilothouse.encoding import wire

PREFIX = "type.googleapis.com/"


# Rows are compared by identity, which hashes in C. Each push looks several of them up.
@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ResourceType:
    """One resource type. `message` is the full name of its protobuf message.

    `label` is the short name of its discovery service, for users and metrics.
    `service` is that gRPC service, declared in the file `proto`, which lists its methods. Without one, it
    comes over ADS only.
    """

    CLUSTER: ClassVar[ResourceType]
    ENDPOINTS: ClassVar[ResourceType]
    LISTENER: ClassVar[ResourceType]
    NAMES: ClassVar[ResourceType]
    ROUTES: ClassVar[ResourceType]
    RUNTIME: ClassVar[ResourceType]
    SECRET: ClassVar[ResourceType]

    message: str
    label: str
    proto: str = ""
    service: str = ""
    #: State of the World: each response holds all resources, so a missing one is deleted.
    full_state: bool = False
    #: State of the World: versions of this type are believed only on a stream where the versions of that
    #: other type matched. If both this and `full_state` are unset, a client that reconnects is sent what it
    #: names.
    resumes_after: ResourceType | None = None
    #: Additions wait until the client has acknowledged changes of that type.
    waits_for: ResourceType | None = None
    #: Removals come last, after the client has dropped the resources that may refer to them.
    leaves_last: bool = False
    #: No resource combines many services, and absence from the set of resources means nothing. So whatever
    #: cannot be read does not affect the resources that can be read.
    stands_alone: bool = False
    #: Encodes an empty resource. None if absence tells a client just as much.
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
    # A sidecar that waits for a layer starts 15 s later.
    empty=lambda layer: wire.text(1, layer),
)
ResourceType.SECRET = ResourceType(
    message="envoy.extensions.transport_sockets.tls.v3.Secret",
    label="SDS",
    proto="envoy/service/secret/v3/sds.proto",
    service="SecretDiscoveryService",
    stands_alone=True,
)
#: For resolvers of ours beside applications. It is no type of Envoy's.
ResourceType.NAMES = ResourceType(message="pilothouse.names.v1.Names", label="NDS")

#: The order in which additions are sent: first what other types refer to.
TYPES = (
    ResourceType.CLUSTER,
    ResourceType.ENDPOINTS,
    ResourceType.LISTENER,
    ResourceType.ROUTES,
    ResourceType.RUNTIME,
    ResourceType.SECRET,
    ResourceType.NAMES,
)
BY_URL: Mapping[str, ResourceType] = {type.url: type for type in TYPES}

#: What changed in a world: the names of created, changed and removed resources, by type.
Changes: TypeAlias = Mapping[ResourceType, frozenset[str]]


def turns(types: tuple[ResourceType, ...] = TYPES) -> tuple[ResourceType, ...]:
    """The order in which a stream looks at types. Types that leave last come twice: the second look is for
    removals that waited for the types in between.
    """
    return (*types, *(type for type in reversed(types) if type.leaves_last))
