"""The nouns: services and the endpoints behind them, before they become Envoy's configuration.

The vocabulary is that of Kubernetes. Every value is frozen, and sorted where the order matters. So equal
registries compare, hash and encode equally in every process.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from operator import attrgetter
from typing import Literal, NamedTuple, TypeAlias

from pilothouse.model.policy import PLAIN, Policy
from pilothouse.model.reasons import Omission
from pilothouse.model.routing import Backend, Labels, Route

#: The largest weight of an endpoint. Envoy adds up the weights of a locality in 32 bits.
MAX_WEIGHT = 65_535


class ServiceName(NamedTuple):
    """The namespace and name of a service. `str()` gives `namespace/name`.

    An `imported` service is that of a cluster set (KEP-1645). It is not the cluster's own service of the same
    namespace and name.
    """

    namespace: str
    name: str
    imported: bool = False

    @classmethod
    def behind(cls, backend: Backend) -> ServiceName:
        """The service that a backend of a route is a port of."""
        return cls(backend.namespace, backend.name, backend.imported)

    @property
    def kind(self) -> str:
        """The kind of the object that declares it."""
        return "ServiceImport" if self.imported else "Service"

    @property
    def full(self) -> str:
        """With its kind: `Service namespace/name`."""
        return f"{self.kind} {self.namespace}/{self.name}"

    def __str__(self) -> str:
        return self.full if self.imported else f"{self.namespace}/{self.name}"


#: Namespaces of clients. None means all of them.
Namespaces: TypeAlias = frozenset[str] | None


class Transport(Enum):
    """`Service.spec.ports[].protocol`. Only TCP becomes an Envoy cluster."""

    TCP = "TCP"
    UDP = "UDP"
    SCTP = "SCTP"


class Protocol(Enum):
    """What an application speaks on a port: from `appProtocol`, else from the prefix of the port's name.

    TLS is passed through unopened. HTTPS means that the sidecar speaks HTTP over TLS to the endpoints, and
    ALPN chooses the version of HTTP.
    """

    HTTP = "http"
    HTTP2 = "http2"
    HTTPS = "https"
    GRPC = "grpc"
    TLS = "tls"
    TCP = "tcp"

    @property
    def by_host(self) -> bool:
        """Whether a request names its service in a Host header that Envoy can read."""
        return self in (Protocol.HTTP, Protocol.HTTP2, Protocol.HTTPS, Protocol.GRPC)

    @property
    def multiplexed(self) -> bool:
        """Whether the sidecar speaks HTTP/2 to the endpoints."""
        return self in (Protocol.HTTP2, Protocol.GRPC)


class State(Enum):
    """What an endpoint's conditions say, where nil has the API's meaning (KEP-1669), or a weight of 0."""

    READY = "ready"
    NOT_READY = "not ready"
    TERMINATING_SERVING = "terminating, serving"
    TERMINATING = "terminating"
    MAINTENANCE = "in maintenance"

    # Members are singletons, so the hash of the identity is enough. Enum's own is in Python, and slow.
    __hash__ = object.__hash__


class Locality(NamedTuple):
    """Where something runs. An empty string means unknown."""

    region: str = ""
    zone: str = ""
    sub_zone: str = ""


NOWHERE = Locality()

#: The family of an IP address.
Family: TypeAlias = Literal["ipv4", "ipv6"]


class Prefer(Enum):
    """`Service.spec.trafficDistribution`. Without it, the nearest come first, down to the sub-zone."""

    NEAREST = ""
    SAME_ZONE = "PreferSameZone"
    SAME_NODE = "PreferSameNode"


class Failover(NamedTuple):
    """For clients at `client`: the regions or zones that come after the client's own, in this order.

    A Locality is a pattern here: an empty part matches anything. The client's own place is what `client`
    states, a region or a zone; if it states nothing, the client's region. With `only`, no other place is
    called.
    """

    client: Locality
    to: tuple[Locality, ...] = ()
    only: bool = False


class Distribution(NamedTuple):
    """For clients at `client`: the share of the requests that each place gets. Other places get none."""

    client: Locality
    shares: tuple[tuple[Locality, int], ...]


@dataclass(frozen=True, slots=True)
class Placement:
    """Which endpoints of a service a client gets, and in which order. Clusters do not depend on it.

    `local` is internalTrafficPolicy, `ipv6_first` the order of ipFamilies, `sticky` sessionAffinity. `hints`
    says whether the hints of slices count. `overprovisioning` is in percent; 0 keeps Envoy's default. If
    several rules match a client, the first one wins.
    """

    local: bool = False
    prefer: Prefer = Prefer.NEAREST
    ipv6_first: bool = False
    hints: bool = True
    sticky: bool = False
    failover: tuple[Failover, ...] = ()
    distribute: tuple[Distribution, ...] = ()
    overprovisioning: int = 0


#: The placement of most services. Hot code compares with it by identity, which is fast.
NEAREST = Placement()


#: Where Debian, Ubuntu, Alpine and Envoy's images keep the CA certificates of the system.
SYSTEM_CA = "/etc/ssl/certs/ca-certificates.crt"


class UpstreamTls(NamedTuple):
    """How a sidecar speaks TLS to endpoints. `ca` is a file of CA certificates on the sidecar's machine.

    `server_name` is the host name or IP address that the endpoint's certificate must have. Empty means the
    name by which the service is called.
    """

    server_name: str = ""
    ca: str = SYSTEM_CA


@dataclass(frozen=True, slots=True)
class Port:
    """One port of a service. `target` is a numeric targetPort. It is used if the slice's port has no number.

    With `tls`, the application speaks `protocol` to its sidecar, and the sidecar speaks it over TLS.
    """

    name: str
    number: int
    protocol: Protocol = Protocol.HTTP
    transport: Transport = Transport.TCP
    target: int | None = None
    tls: UpstreamTls | None = None


class Endpoint(NamedTuple):
    """One address of one slice. A service port finds its number in `ports` by name.

    `ports` maps a port name to a number; a number of None means "all ports" (nil in the API).
    `weight` is 0..65535, where 0 is maintenance.
    `workload` identifies what runs there (a Pod's uid or name).
    `for_zones` and `for_nodes` are the hints: the clients that the endpoint is meant for (KEP-2433,
    KEP-3015).
    `labels` are the Pod's labels that are among the service's `subset_labels`.
    `drained` says who has taken it out of service, until when and why. Its weight is 0 then.
    `cluster` is the cluster of a cluster set in which it runs, if its slice says so (KEP-1645).
    """

    address: str
    ports: tuple[tuple[str, int | None], ...]
    state: State = State.READY
    weight: int = 1
    locality: Locality = NOWHERE
    node: str = ""
    hostname: str = ""
    workload: str = ""
    for_zones: tuple[str, ...] = ()
    for_nodes: tuple[str, ...] = ()
    labels: Labels = ()
    drained: str = ""
    cluster: str = ""

    @property
    def in_service(self) -> bool:
        """Whether it is ready, and nobody has taken it out of service."""
        return self.state is State.READY and self.weight > 0


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """What a service is. It changes rarely. Clusters, listeners and routes depend on nothing else.

    `addressable`: it may be given a virtual IP if it needs one and has none.
    `cluster_domain` is the DNS domain of its cluster, in which its host names end. `suffixes` are additional
    suffixes of its short names, for example `.mesh`.
    `external_name` is the target of an ExternalName service, in lower case, without a trailing dot.
    `created` is an RFC 3339 time or empty. If two services claim the same thing, the older one gets it.
    `hostnames` are the host names of a headless service's endpoints, sorted. Clients can call each of them.
    `routes` say where requests go. Without routes they go to the service's own endpoints.
    `hosts` are host names that the sidecar resolves and calls; None if the endpoints are IP addresses.
    `exported_to` are the namespaces whose clients may see the service; None means all of them.
    """

    name: ServiceName
    ports: tuple[Port, ...] = ()
    vips: tuple[str, ...] = ()
    headless: bool = False
    external_name: str = ""
    created: str = ""
    exported_to: frozenset[str] | None = None
    placement: Placement = NEAREST
    policy: Policy = PLAIN
    hosts: tuple[Endpoint, ...] | None = None
    hostnames: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    cluster_domain: str = "cluster.local"
    addressable: bool = True

    @property
    def hostname(self) -> str:
        """The fully qualified name, for example `payments.shop.svc.cluster.local`."""
        return f"{self.name.name}.{self.name.namespace}.svc.{self.cluster_domain}"


@dataclass(frozen=True, slots=True)
class Service:
    """What a service is, and where it runs now. The endpoints change often.

    `endpoints` is sorted (see `ordered`), so that equal sets are equal values. `left_out` lists what its
    objects declare and what is left out of this value. `callable` is how many endpoints can be called.
    """

    spec: ServiceSpec
    endpoints: tuple[Endpoint, ...] = ()
    left_out: tuple[Omission, ...] = ()
    # Counted once, because a report of everything asks each service several times.
    callable: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ready = [each for each in self.endpoints if each.state is State.READY and each.weight > 0]
        object.__setattr__(self, "callable", len(ready))

    @property
    def name(self) -> ServiceName:
        return self.spec.name


_PLACE = attrgetter("locality", "address")


def ordered(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """Endpoints in canonical order, in whatever order the backend reported them."""
    found = sorted(endpoints, key=_PLACE)
    if len({endpoint.address for endpoint in found}) < len(found):
        found.sort(key=lambda endpoint: (_PLACE(endpoint), repr(endpoint)))  # one address, several entries
    return tuple(found)
