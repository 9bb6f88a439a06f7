"""Who asks: what a node says of itself, reduced to the few facts that its configuration depends on.

A translator is passed the facet of the audience that it depends on and nothing else, so sidecars
that share a facet share its encoding, and no undeclared input can leak in.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NamedTuple, get_args

from pilothouse.mesh.dependencies import EVERYTHING, Dependencies, Preference, dependencies
from pilothouse.mesh.visibility import Scope
from pilothouse.model.services import NOWHERE, Family, Locality, ServiceName
from pilothouse.structures.cache import interned

METADATA = "node.metadata.pilothouse"
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
# In characters, and far more than names of DNS have: 253.
_LONGEST_ID = 1 << 17
_LONGEST = 4096
_KEYS = frozenset({"namespace", "dependencies", "node", "egress", "capture", "families"})


class BadNode(ValueError):
    """A node whose metadata cannot be understood; the text names the field."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")


class ForeignNamespace(Exception):
    """A node that says it is in another namespace than that of its certificate."""


class Capture(Enum):
    """How an application's calls reach its sidecar."""

    PROXY = "proxy"  # HTTP goes to the egress listener; only what has no Host header has a VIP listener
    VIP = "vip"  # everything goes to the virtual IP of the service

    __hash__ = object.__hash__  # as of ResourceType


class Dialect(Enum):
    """Who reads the configuration, and so in which form listeners and routes have to come."""

    ENVOY = "envoy"
    GRPC = "grpc"  # a proxyless gRPC client (gRFC A27): a listener for each target that it dials

    __hash__ = object.__hash__  # as of ResourceType


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Address:
    """Where a sidecar listens for its application."""

    host: str
    port: int


EGRESS = interned(Address("127.0.0.1", 15001))


@dataclass(frozen=True, slots=True)
class Node:
    """The parts of envoy.config.core.v3.Node that matter here, as plain values."""

    id: str = ""
    locality: Locality = NOWHERE
    metadata: Mapping[str, object] = field(default_factory=dict)
    user_agent: str = ""


class EndpointFacet(NamedTuple):
    """From where a client calls: all that its load assignments depend on.

    `families` are those that it can call, the preferred one first; none stated means all, in the order
    that the service prefers. `preference` is what it wants of the service in question.
    """

    locality: Locality = NOWHERE
    node: str = ""
    families: tuple[Family, ...] = ()
    preference: Preference | None = None

    def of(self, service: ServiceName, scope: Scope) -> EndpointFacet:
        """The same, with what a client wants of a service."""
        return self._replace(preference=scope.dependencies.preference(service))


#: A client of which nothing is known.
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
    dialect: Dialect = Dialect.ENVOY
    families: tuple[Family, ...] = ()
    scope: Scope = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "scope", interned(Scope(self.dependencies, self.namespace)))

    @property
    def endpoint_facet(self) -> EndpointFacet:
        return EndpointFacet(self.locality, self.node, self.families)

    @property
    def anywhere(self) -> Audience:
        """The same on a node that is not known."""
        return interned(replace(self, node=""))


#: A client that says nothing of itself.
ANYBODY = Audience()


@dataclass(frozen=True, slots=True)
class Admission:
    """What an operator says of all clients: the namespace of those that do not say theirs, empty for none,
    and the namespaces whose clients may depend on everything; None means: all. Names in `cluster_domain` are
    those of services.
    """

    namespace: str = ""
    wildcards: frozenset[str] | None = None
    cluster_domain: str = "cluster.local"


OPEN = Admission()


def audience(node: Node, admission: Admission = OPEN, bound: str = "") -> Audience:
    """Who this node is. Raises BadNode, naming the field, if its metadata makes no sense.

    `bound` is the namespace of its certificate, if that counts. Raises ForeignNamespace if the node
    says another.

    The namespace is `metadata.pilothouse.namespace`, else `metadata.NAMESPACE`, else that of a node
    id such as `sidecar~10.1.2.3~web-0.shop~shop.svc.cluster.local`, else the operator's; without one
    it is not guessed, and short names are left out.
    """
    _check_lengths(node)
    said = node.metadata.get("pilothouse", {})
    if not isinstance(said, Mapping):
        raise BadNode(METADATA, "must be an object")
    for key in said.keys() - _KEYS:
        raise BadNode(f"{METADATA}.{key}", f"is not known; known keys are {', '.join(sorted(_KEYS))}")
    namespace = _bound(_namespace(node, said), bound) or admission.namespace
    # A change is looked at once for all streams with equal audiences.
    return interned(
        Audience(
            namespace=namespace,
            node=_string(said, "node"),
            locality=node.locality,
            dependencies=_restricted(_dependencies(said, admission), namespace, admission),
            egress=_egress(said),
            capture=_capture(said),
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
    # `web-0.shop`: of what has no dot in it the namespace would be a guess.
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


def _egress(said: Mapping[str, object]) -> Address:
    place = f"{METADATA}.egress"
    value = _string(said, "egress")
    if not value:
        return EGRESS
    host, colon, port = value.rpartition(":")
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        if getattr(address, "scope_id", None):
            raise ValueError("Envoy cannot bind to an address with a scope")
        # Envoy cannot bind to an IPv4 address written as IPv6, and two forms would be two listeners.
        address = getattr(address, "ipv4_mapped", None) or address
    except ValueError:
        raise BadNode(place, f"{value!r} is not an IP address and a port such as 127.0.0.1:15001") from None
    if not colon or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise BadNode(place, f"{value!r} has no port between 1 and 65535")
    return interned(Address(str(address), int(port)))


def _capture(said: Mapping[str, object]) -> Capture:
    value = _string(said, "capture") or Capture.PROXY.value
    try:
        return Capture(value)
    except ValueError:
        raise BadNode(f"{METADATA}.capture", f"{value!r} is neither proxy nor vip") from None


def _families(said: Mapping[str, object]) -> tuple[Family, ...]:
    value = said.get("families")
    if value is None:
        return ()
    known = get_args(Family)
    if not isinstance(value, list) or not value or any(item not in known for item in value):
        raise BadNode(f"{METADATA}.families", f"must be a list out of {', '.join(known)}")
    return tuple(dict.fromkeys(value))
