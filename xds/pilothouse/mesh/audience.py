"""Who a client is: its node, reduced to the few facts that its configuration depends on.

A translator is passed only the facet of the audience that it depends on. So sidecars with equal facets share
an encoding, and no undeclared input can leak in.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NamedTuple, TypeVar, get_args

from pilothouse.mesh.dependencies import EVERYTHING, Dependencies, Preference, dependencies
from pilothouse.mesh.visibility import Scope
from pilothouse.model.services import NOWHERE, Family, Locality, ServiceName
from pilothouse.structures.cache import interned

_Choice = TypeVar("_Choice", bound=Enum)

METADATA = "node.metadata.pilothouse"
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
# In characters. DNS names have at most 253.
_LONGEST_ID = 1 << 17
_LONGEST = 4096
_KEYS = frozenset({"namespace", "dependencies", "node", "egress", "capture", "families", "outbound"})


class BadNode(ValueError):
    """A node with invalid metadata. The text names the field."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")


class ForeignNamespace(Exception):
    """A node that states another namespace than its certificate."""


class Capture(Enum):
    """How an application's calls reach its sidecar."""

    PROXY = "proxy"  # HTTP goes to the egress listener; other ports have VIP listeners
    VIP = "vip"  # everything goes to the virtual IP of the service
    REDIRECT = "redirect"  # the kernel leads everything to the egress listener, wherever it goes to

    __hash__ = object.__hash__  # as of ResourceType


class Outbound(Enum):
    """What becomes of redirected connections to where no service is."""

    ANY = "any"  # they go where they would have gone
    REGISTRY_ONLY = "registry-only"  # they are closed

    __hash__ = object.__hash__  # as of ResourceType


class Dialect(Enum):
    """The kind of client, which decides the form of listeners and routes."""

    ENVOY = "envoy"
    GRPC = "grpc"  # a proxyless gRPC client (gRFC A27): a listener for each target that it dials

    __hash__ = object.__hash__  # as of ResourceType


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Address:
    """Where a sidecar listens for its application."""

    host: str
    port: int


EGRESS = interned(Address("127.0.0.1", 15001))


def listening(egress: Address, capture: Capture, families: Collection[Family]) -> tuple[Address, ...]:
    """All addresses of the egress listener. What is redirected of IPv6 arrives at ::1, which not all have."""
    if capture is Capture.REDIRECT and "ipv6" in families:
        return egress, Address("::1", egress.port)
    return (egress,)


@dataclass(frozen=True, slots=True)
class Node:
    """The parts of envoy.config.core.v3.Node that are used here, as plain values."""

    id: str = ""
    locality: Locality = NOWHERE
    metadata: Mapping[str, object] = field(default_factory=dict)
    user_agent: str = ""


class EndpointFacet(NamedTuple):
    """All that a client's load assignments depend on.

    `families`: the address families that it can call, the preferred one first. Empty means all, in the order
    that the service prefers. `preference`: which endpoints it wants of the service in question.
    """

    locality: Locality = NOWHERE
    node: str = ""
    families: tuple[Family, ...] = ()
    preference: Preference | None = None

    def of(self, service: ServiceName, scope: Scope) -> EndpointFacet:
        """The same facet with the scope's preference for this service."""
        return self._replace(preference=scope.dependencies.preference(service))


#: A client about which nothing is known.
ANYWHERE = EndpointFacet()


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Audience:
    """Everything that a sidecar's configuration depends on."""

    namespace: str = ""
    node: str = ""
    locality: Locality = NOWHERE
    dependencies: Dependencies = EVERYTHING
    egress: Address = EGRESS
    capture: Capture = Capture.PROXY
    outbound: Outbound = Outbound.ANY
    dialect: Dialect = Dialect.ENVOY
    families: tuple[Family, ...] = ()
    scope: Scope = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "scope", interned(Scope(self.dependencies, self.namespace)))

    @property
    def endpoint_facet(self) -> EndpointFacet:
        return EndpointFacet(self.locality, self.node, self.families)

    @property
    def listens_at(self) -> tuple[Address, ...]:
        """All addresses of its egress listener."""
        return listening(self.egress, self.capture, self.families)

    @property
    def passes_on(self) -> bool:
        """Whether its sidecar passes on what goes to no service."""
        redirected = self.capture is Capture.REDIRECT and self.dialect is Dialect.ENVOY
        return redirected and self.outbound is Outbound.ANY

    @property
    def anywhere(self) -> Audience:
        """The same audience on an unknown node."""
        return interned(replace(self, node=""))


#: A client that states nothing about itself.
ANYBODY = Audience()


@dataclass(frozen=True, slots=True)
class Admission:
    """What the operator decides for all clients.

    `namespace`: for clients that state none. Empty for no default.
    `wildcards`: the namespaces whose clients may depend on everything. None means all.
    `cluster_domain`: names in this domain are names of services.
    """

    namespace: str = ""
    wildcards: frozenset[str] | None = None
    cluster_domain: str = "cluster.local"


OPEN = Admission()


def audience(node: Node, admission: Admission = OPEN, bound: str = "") -> Audience:
    """The audience of a node. Raises BadNode, which names the field, if its metadata is invalid.

    `bound` is the namespace of its certificate, if certificates count. Raises ForeignNamespace if the node
    states another.

    The namespace is `metadata.pilothouse.namespace`, else `metadata.NAMESPACE`, else that of a node id such
    as `sidecar~10.1.2.3~web-0.shop~shop.svc.cluster.local`, else the operator's default. It is never guessed:
    a client without a namespace gets no short names.
    """
    _check_lengths(node)
    said = node.metadata.get("pilothouse", {})
    if not isinstance(said, Mapping):
        raise BadNode(METADATA, "must be an object")
    for key in said.keys() - _KEYS:
        raise BadNode(f"{METADATA}.{key}", f"is not known; known keys are {', '.join(sorted(_KEYS))}")
    namespace = _bound(_namespace(node, said), bound) or admission.namespace
    capture = _one_of(Capture, said, "capture")
    # Interned, because a change is evaluated once for all streams with the same audience.
    return interned(
        Audience(
            namespace=namespace,
            node=_string(said, "node"),
            locality=node.locality,
            dependencies=_restricted(_dependencies(said, admission), namespace, admission),
            egress=_egress(said, capture),
            capture=capture,
            outbound=_outbound(said, capture),
            dialect=Dialect.GRPC if node.user_agent.lower().startswith("grpc") else Dialect.ENVOY,
            families=_families(said),
        )
    )


def _check_lengths(node: Node) -> None:
    _check_length("node.id", node.id, _LONGEST_ID)
    for part, text in zip(Locality._fields, node.locality, strict=True):
        _check_length(f"node.locality.{part}", text)


def _check_length(place: str, text: str, most: int = _LONGEST) -> None:
    if len(text) > most:
        raise BadNode(place, f"has more than {most} characters")


def _string(said: Mapping[str, object], key: str) -> str:
    place, value = f"{METADATA}.{key}", said.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadNode(place, "must be a string")
    _check_length(place, value)
    return value


def _namespace(node: Node, said: Mapping[str, object]) -> str:
    namespace = _string(said, "namespace")
    if namespace:
        if not _LABEL.fullmatch(namespace):
            raise BadNode(f"{METADATA}.namespace", f"{namespace!r} is not a namespace name")
        return namespace
    convention = node.metadata.get("NAMESPACE")
    if isinstance(convention, str) and _LABEL.fullmatch(convention):
        return convention
    parts = node.id.split("~")
    # `web-0.shop`: without a dot, the namespace would be a guess.
    pod, dot, claimed = parts[2].rpartition(".") if len(parts) == 4 else ("", "", "")
    return claimed if pod and dot and _LABEL.fullmatch(claimed) else ""


def _bound(said: str, bound: str) -> str:
    if bound and said and said != bound:
        raise ForeignNamespace(f"the node says it is in the namespace {said}, its certificate is of {bound}")
    return bound or said


def _dependencies(said: Mapping[str, object], admission: Admission) -> Dependencies:
    place, value = f"{METADATA}.dependencies", said.get("dependencies")
    if value is None:
        return EVERYTHING
    if not isinstance(value, list):
        raise BadNode(place, "must be a list of namespace/name")
    return dependencies(value, lambda item, mistake: BadNode(place + item, mistake), admission.cluster_domain)


def _restricted(found: Dependencies, namespace: str, admission: Admission) -> Dependencies:
    if found.services is None and admission.wildcards is not None and namespace not in admission.wildcards:
        whose = f"a client in the namespace {namespace}" if namespace else "a client without a namespace"
        raise BadNode(f"{METADATA}.dependencies", f"must say which: {whose} may not depend on everything")
    return found


def _egress(said: Mapping[str, object], capture: Capture) -> Address:
    place = f"{METADATA}.egress"
    value = _string(said, "egress")
    if not value:
        return EGRESS
    host, colon, port = value.rpartition(":")
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        if getattr(address, "scope_id", None):
            raise ValueError("Envoy cannot bind to an address with a scope")
        # Envoy cannot bind to an IPv4-mapped IPv6 address, and two forms of an address would be two
        # listeners.
        address = getattr(address, "ipv4_mapped", None) or address
    except ValueError:
        raise BadNode(place, f"{value!r} is not an IP address and a port such as 127.0.0.1:15001") from None
    if not colon or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise BadNode(place, f"{value!r} has no port between 1 and 65535")
    if capture is Capture.REDIRECT and str(address) != EGRESS.host:
        raise BadNode(place, f"{value!r} is not at {EGRESS.host}, where the kernel redirects to")
    return interned(Address(str(address), int(port)))


def _outbound(said: Mapping[str, object], capture: Capture) -> Outbound:
    found = _one_of(Outbound, said, "outbound")
    if found is Outbound.REGISTRY_ONLY and capture is not Capture.REDIRECT:
        # Nobody shall rely on it.
        raise BadNode(f"{METADATA}.outbound", f"{found.value} takes the capture {Capture.REDIRECT.value}")
    return found


def _one_of(kind: type[_Choice], said: Mapping[str, object], key: str) -> _Choice:
    """One of the values of an enumeration; the first of them if nothing is said."""
    value = _string(said, key) or next(iter(kind)).value
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(each.value for each in kind)
        raise BadNode(f"{METADATA}.{key}", f"{value!r} is none of {known}") from None


def _families(said: Mapping[str, object]) -> tuple[Family, ...]:
    value = said.get("families")
    if value is None:
        return ()
    known = get_args(Family)
    if not isinstance(value, list) or not value or any(item not in known for item in value):
        raise BadNode(f"{METADATA}.families", f"must be a list out of {', '.join(known)}")
    return tuple(dict.fromkeys(value))
