"""The nouns: services and the endpoints behind them, before Envoy is involved.

The vocabulary is Kubernetes'. Every value is frozen and ordered where order matters, so that
equal registries compare, hash and encode equally in every process.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Literal, NamedTuple, TypeAlias

from pilothouse.model.policy import PLAIN, Policy
from pilothouse.model.reasons import Omission
from pilothouse.model.routing import Labels, Route

#: Of an endpoint. The sum over a locality of some ten thousand endpoints has to fit into 32 bits.
MAX_WEIGHT = 65_535


class ServiceName(NamedTuple):
    """What a service is called inside its cluster; `str()` gives `namespace/name`."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


#: Namespaces of clients; None means: all of them.
Namespaces: TypeAlias = frozenset[str] | None


class Visibility(NamedTuple):
    """A service, and the namespaces whose clients may know of it; None means: all of them."""

    name: ServiceName
    namespaces: Namespaces = None

    def beside(self, other: Visibility) -> bool:
        """Whether both are services of one namespace."""
        return self.name.namespace == other.name.namespace


class Referrer(NamedTuple):
    """A service whose names lead to another, and what answers for it: itself, unless it is an alias.

    `passes` are the namespaces to whose clients its routes pass the other on, exported to them or not.
    """

    called: Visibility
    answers: Visibility
    passes: Namespaces = frozenset()


class Transport(Enum):
    """`Service.spec.ports[].protocol`; only TCP becomes an Envoy cluster."""

    TCP = "TCP"
    UDP = "UDP"
    SCTP = "SCTP"


class Protocol(Enum):
    """What an application speaks on a port: from `appProtocol`, else from the prefix of the port's name.

    TLS is passed on unopened. HTTPS is what becomes of it where the sidecar speaks TLS in its place: HTTP, in
    the version that ALPN comes to.
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
        """Whether the endpoints are to be spoken to in HTTP/2."""
        return self in (Protocol.HTTP2, Protocol.GRPC)


class State(Enum):
    """What an EndpointSlice's conditions say, nil read as the API defines it (KEP-1669), or a weight of 0."""

    READY = "ready"
    NOT_READY = "not ready"
    TERMINATING_SERVING = "terminating, serving"
    TERMINATING = "terminating"
    MAINTENANCE = "in maintenance"

    # Members are singletons, so identity serves; Enum's own hash is written in Python.
    __hash__ = object.__hash__


class Locality(NamedTuple):
    """Where something runs. An empty string means: not known."""

    region: str = ""
    zone: str = ""
    sub_zone: str = ""


NOWHERE = Locality()

#: Of IP addresses.
Family: TypeAlias = Literal["ipv4", "ipv6"]


class Prefer(Enum):
    """`Service.spec.trafficDistribution`; without it the nearest come first, sub-zones told apart."""

    NEAREST = ""
    SAME_ZONE = "PreferSameZone"
    SAME_NODE = "PreferSameNode"


class Failover(NamedTuple):
    """For clients at `client`, the regions or zones that come next after their own, in this order.

    A Locality is a pattern here: what it does not state may be anything. Their own is what `client`
    states, a region or a zone; if it states nothing, their region. `only` leaves all others out.
    """

    client: Locality
    to: tuple[Locality, ...] = ()
    only: bool = False


class Distribution(NamedTuple):
    """For clients at `client`, the shares of the traffic that go to some places, and none to any other."""

    client: Locality
    shares: tuple[tuple[Locality, int], ...]


@dataclass(frozen=True, slots=True)
class Placement:
    """Which endpoints of a service a client gets, and which of them first. No cluster depends on it.

    `local` is internalTrafficPolicy, `ipv6_first` the order of ipFamilies, `sticky` sessionAffinity;
    `hints` says whether those of the slices count; `overprovisioning` is in percent, where 0 leaves it to
    Envoy. Of several rules the first that is for a client counts.
    """

    local: bool = False
    prefer: Prefer = Prefer.NEAREST
    ipv6_first: bool = False
    hints: bool = True
    sticky: bool = False
    failover: tuple[Failover, ...] = ()
    distribute: tuple[Distribution, ...] = ()
    overprovisioning: int = 0


#: As most services have it; told apart by identity where every microsecond counts.
NEAREST = Placement()


#: Where Debian, Ubuntu, Alpine and Envoy's images keep the certificates that everybody trusts.
SYSTEM_CA = "/etc/ssl/certs/ca-certificates.crt"


class UpstreamTls(NamedTuple):
    """How a sidecar speaks TLS to endpoints. `ca` is a file beside it with the certificates to trust.

    `server_name` is the host name or IP address that theirs have to be of; if empty, what they are asked for.
    """

    server_name: str = ""
    ca: str = SYSTEM_CA


@dataclass(frozen=True, slots=True)
class Port:
    """One port of a service. `target` is a numeric targetPort, the fallback of a slice's nil port.

    With `tls`, `protocol` is what the application speaks to its sidecar, which speaks it inside of TLS.
    """

    name: str
    number: int
    protocol: Protocol = Protocol.HTTP
    transport: Transport = Transport.TCP
    target: int | None = None
    tls: UpstreamTls | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address of one slice. A service port finds its number in `ports` by name.

    `ports` maps port name to number; a number of None means "all ports" (API: nil). `weight` is
    0..65535, where 0 is maintenance. `workload` identifies what runs there (a pod's uid or name).
    `for_zones` and `for_nodes` are hints about which clients are to come here (KEP-2433, KEP-3015).
    `labels` are those of its pod by which its service can be divided into subsets.
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


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """What a service is. Changes rarely; clusters, listeners and routes depend only on this.

    `hostname` is the fully qualified name, for example `payments.shop.svc.cluster.local`.
    `external_name` is the target of an ExternalName service, lower case, no trailing dot.
    `created` is an RFC 3339 time or empty; of two that claim the same thing the older one wins.
    `hostnames` are those of a headless service's endpoints, sorted, each of which can be asked for.
    `routes` say where requests to it go; without any, to its own endpoints.
    `suffixes` are what its short names may end in as well, for example `.mesh`.
    `hosts` are host names to call, which the sidecar resolves; None if it is called by IP address.
    `exported_to` are the namespaces whose clients may know of it; None means: all of them.
    """

    name: ServiceName
    hostname: str
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

    @property
    def visibility(self) -> Visibility:
        return Visibility(self.name, self.exported_to)


@dataclass(frozen=True, slots=True)
class Service:
    """What a service is, and where it runs right now. The endpoints change often.

    `endpoints` is sorted (see `ordered`), so that equal sets are equal values. `left_out` is what of its
    objects is not in here.
    """

    spec: ServiceSpec
    endpoints: tuple[Endpoint, ...] = ()
    left_out: tuple[Omission, ...] = ()

    @property
    def name(self) -> ServiceName:
        return self.spec.name


def ordered(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """The canonical order of endpoints, whatever order the backend reported them in."""
    found = sorted(endpoints, key=_place)
    if len({(endpoint.address, endpoint.locality) for endpoint in found}) < len(found):
        found.sort(key=lambda endpoint: (*_place(endpoint), repr(endpoint)))  # one address, several entries
    return tuple(found)


def _place(endpoint: Endpoint) -> tuple[str, str, str, str]:
    at = endpoint.locality
    return at.region, at.zone, at.sub_zone, endpoint.address
