"""Registries to draw from, small enough that names, addresses and claims meet often."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from pilothouse.mesh.audience import Address, Audience, Capture, Dialect, Outbound
from pilothouse.mesh.dependencies import Dependencies, Domain, Preference
from pilothouse.model.policy import PLAIN, Policy
from pilothouse.model.routing import Backend, Route, RouteKind, Rule
from pilothouse.model.services import (
    NEAREST,
    Distribution,
    Endpoint,
    Failover,
    Locality,
    Placement,
    Port,
    Prefer,
    Protocol,
    Service,
    ServiceName,
    ServiceSpec,
    State,
    UpstreamTls,
    ordered,
)
from pilothouse.translate.names import PASSTHROUGH

NAMES = (
    ServiceName("shop", "payments"),
    ServiceName("shop", "carts"),
    ServiceName("data", "payments"),
    ServiceName("data", "store"),
)

SOURCES = ("near", "far")
_VIPS = ("10.96.0.1", "fd00::96")
_HTTP, _TCP, _GRPC = Port("http", 80), Port("tcp", 5432, Protocol.TCP), Port("grpc", 9000, Protocol.GRPC)
_TLS = Port("tls", 443, Protocol.TLS)
_V1, _DIVIDED = (("version", "v1"),), Policy(subset_labels=("version",))
_HTTPS = Port("tls", 443, Protocol.HTTPS, tls=UpstreamTls())


def _host(name: ServiceName) -> str:
    return f"{name.name}.{name.namespace}.svc.cluster.local"


@dataclass(frozen=True)
class Draft:
    """A service of any name."""

    ports: tuple[Port, ...] = ()
    vips: tuple[str, ...] = ()
    headless: bool = False
    external: str = ""
    created: str = ""
    exported_to: frozenset[str] | None = None
    endpoints: tuple[Endpoint, ...] = ()
    placement: Placement = NEAREST
    hostnames: tuple[str, ...] = ()
    hosts: tuple[Endpoint, ...] | None = None
    backends: tuple[ServiceName, ...] = ()
    connections: bool = False  # whether the routes are of connections
    granted: bool = False  # whether there is a ReferenceGrant for each backend
    routed_by: str = ""  # the namespace of the routes, if it is not the service's own
    policy: Policy = PLAIN
    poisoned: bool = False  # breaks a validation rule, so that the last good version stays in force

    def named(self, name: ServiceName) -> Service:
        spec = ServiceSpec(
            name,
            self.ports,
            self.vips,
            self.headless,
            self.external,
            self.created,
            exported_to=self.exported_to,
            placement=self.placement,
            policy=self.policy,
            hostnames=self.hostnames,
            hosts=self.hosts,
            suffixes=(".data",),  # which is a namespace, too
            routes=self._routes(name),
            # No header may hold a line feed, so no virtual host may.
            cluster_domain="cluster.local\n" if self.poisoned else "cluster.local",
        )
        return Service(spec, self.endpoints)

    def _routes(self, name: ServiceName) -> tuple[Route, ...]:
        number, kind = (_TCP.number, RouteKind.TCP) if self.connections else (_HTTP.number, RouteKind.HTTP)
        backends = tuple(Backend(*backend, number, granted=self.granted) for backend in self.backends)
        rules = (Rule(backends=backends, subset=_V1 if self.policy.subset_labels else ()),)
        return (Route(kind, self.routed_by or name.namespace, "split", rules),) if backends else ()


_ENDPOINTS = st.builds(
    Endpoint,
    st.sampled_from(["10.0.0.1", "10.0.0.2", "fd00::1"]),
    st.just((("http", 8080), ("tcp", 5432), ("grpc", 9000), ("tls", 8443))),
    st.sampled_from(State),
    st.sampled_from([0, 1, 5]),
    st.sampled_from([Locality(), Locality("eu", "a"), Locality("eu", "b"), Locality("us", "a")]),
    st.sampled_from(["", "n1", "n2"]),
    workload=st.sampled_from(["", "uid-1"]),
    for_zones=st.sampled_from([(), ("a",), ("b",)]),
    for_nodes=st.sampled_from([(), ("n1",), ("n2", "n3")]),
    labels=st.sampled_from([(), _V1, (("version", "v2"),)]),
)
_PLACEMENTS = st.sampled_from(
    [
        NEAREST,
        NEAREST,
        Placement(local=True),
        Placement(prefer=Prefer.SAME_ZONE, ipv6_first=True),
        Placement(prefer=Prefer.SAME_NODE, sticky=True),
        Placement(failover=(Failover(Locality("eu"), (), only=True),), overprovisioning=200),
        Placement(
            distribute=(Distribution(Locality("eu", "a"), ((Locality("eu"), 80), (Locality("us"), 20))),)
        ),
    ]
)
_KINDS = st.sampled_from(
    [
        Draft(ports=(_HTTP,), vips=_VIPS[:1]),
        Draft(ports=(_HTTP, _TCP), vips=_VIPS[:1], created="2020-01-01T00:00:00Z"),
        Draft(ports=(_TCP,), vips=_VIPS),
        Draft(ports=(_GRPC, _HTTP), vips=_VIPS[1:], created="2021-01-01T00:00:00Z"),
        Draft(ports=(_HTTP,), headless=True),
        Draft(ports=(_HTTP,), headless=True, hostnames=("a-0", "a-1")),
        Draft(ports=(_HTTP,), vips=_VIPS[:1], hosts=(Endpoint("a.example", (("http", 80),)),)),
        Draft(ports=(_HTTP, _TCP), external="example.com"),
        Draft(ports=(_HTTP, _TLS), vips=_VIPS[1:]),
        Draft(ports=(_HTTP, _HTTPS), vips=_VIPS[1:]),
        Draft(ports=(_HTTP, _TCP), vips=_VIPS[:1], exported_to=frozenset({"shop"})),
        Draft(ports=(_HTTP,), exported_to=frozenset({"shop", "data"})),
        Draft(ports=(_HTTP,), exported_to=frozenset()),
        Draft(ports=(_HTTP,), backends=NAMES[1:3]),
        Draft(
            ports=(_HTTP, _TCP), vips=_VIPS, backends=(NAMES[0], NAMES[3]), exported_to=frozenset({"shop"})
        ),
        Draft(ports=(_TCP,), vips=_VIPS[:1], backends=NAMES[2:], connections=True),
        Draft(ports=(_HTTP,), backends=(NAMES[1], NAMES[3]), granted=True),
        Draft(ports=(_HTTP,), vips=_VIPS[:1], backends=NAMES[:3], routed_by="data"),
        Draft(ports=(_HTTP,), backends=NAMES[1:], granted=True, routed_by="data"),
        Draft(ports=(_HTTP,), policy=_DIVIDED),
        Draft(ports=(_HTTP,), backends=NAMES[:2], policy=_DIVIDED),
        Draft(ports=(_HTTP,), vips=_VIPS[:1], backends=(NAMES[3],)),
        Draft(ports=(_HTTP,), vips=_VIPS[1:], poisoned=True),
        *(Draft(external=_host(name)) for name in NAMES),
        Draft(external="example.com"),
    ]
)
DRAFTS = st.builds(
    lambda kind, endpoints, placement: (
        kind if kind.external else replace(kind, endpoints=ordered(endpoints), placement=placement)
    ),
    _KINDS,
    st.lists(_ENDPOINTS, max_size=3),
    _PLACEMENTS,
)

AUDIENCES = (
    Audience(namespace="shop", locality=Locality("eu", "a"), node="n1"),
    Audience(namespace="shop", locality=Locality("us", "a"), capture=Capture.VIP),
    Audience(
        namespace="data", locality=Locality("eu", "a"), dependencies=Dependencies(frozenset({NAMES[3]}))
    ),
    Audience(
        namespace="data",
        dependencies=Dependencies(frozenset({ServiceName("shop", "*")})),
        capture=Capture.VIP,
    ),
    Audience(egress=Address("127.0.0.1", 9999)),
    Audience(namespace="shop", capture=Capture.REDIRECT, families=("ipv4", "ipv6")),
    Audience(namespace="shop", locality=Locality("eu", "b"), dialect=Dialect.GRPC),
)

_WANTED = frozenset((name, Preference("version", ("v2", "v1"), fallback=True)) for name in NAMES[:2])

#: One of elsewhere, and two that services may have.
DOMAINS = (Domain("a.example", 443, "/ca.pem"), Domain("payments.shop", 80), Domain(_host(NAMES[1]), 80))

#: What two clients may differ in, and in nothing else: neither may get what is the other's.
TWINS = (
    {"namespace": "data"},
    {"locality": Locality("us", "a")},
    {"node": "n2"},
    {"node": "n3"},
    {"families": ("ipv4",)},
    {"families": ("ipv6", "ipv4")},
    {"dependencies": Dependencies(frozenset({ServiceName("data", "*")}))},
    {"dependencies": Dependencies(None, frozenset({ServiceName("shop", "pay*")}))},
    {"dependencies": Dependencies(domains=frozenset(DOMAINS))},
    {"dependencies": Dependencies(None, preferences=_WANTED)},
    {"egress": Address("127.0.0.1", 9998)},
    {"capture": Capture.VIP},
    {"capture": Capture.PROXY},
    {"capture": Capture.REDIRECT},
    {"capture": Capture.REDIRECT, "outbound": Outbound.REGISTRY_ONLY},
    {"dialect": Dialect.GRPC},
)

#: All that there can be to ask for by name, and more.
CLUSTERS = (
    *(f"outbound|{port.number}||{_host(name)}" for name in NAMES for port in (_HTTP, _TCP, _GRPC, _TLS)),
    *(f"outbound|{domain.port}||{domain.host}" for domain in DOMAINS[:2]),
    PASSTHROUGH,
)
LISTENERS = (
    "egress",
    *(f"{name}.data:{_HTTP.number}" for name in ("payments", "carts")),
    *(f"{vip}_{port.number}" for vip in _VIPS for port in (_HTTP, _TCP, _GRPC, _TLS)),
    *(f"{name.name}.{name.namespace}:{_HTTP.number}" for name in NAMES),
    f"{NAMES[0].name}:{_GRPC.number}",
)
