"""The Kubernetes objects that decide where requests go, reduced to the fields that do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from msgspec import Struct

from pilothouse.model.policy import PLAIN, Policy
from pilothouse.model.reasons import Omission
from pilothouse.model.routing import Labels, RouteKind, Rule
from pilothouse.model.services import (
    NEAREST,
    NOWHERE,
    Locality,
    Placement,
    Port,
    Protocol,
    ServiceName,
    State,
)


class Key(NamedTuple):
    """The identity of an object in its API server. `namespace` is empty for Namespaces and Nodes."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def declaring(name: ServiceName) -> Key:
    """The key of the object that declares a service."""
    return Key(name.kind, name.namespace, name.name)


@dataclass(frozen=True, slots=True)
class Service:
    """A `v1 Service`, or a ServiceImport, which is `imported` from a cluster set.

    `weight` is the default weight of its endpoints; None if the Service sets none.
    `silent` are the indexes in `ports` of the ports that do not state their protocol.
    `exports`: the Service itself says to whom it is exported.
    `selects`: it has a selector.
    `addressable`: it may be given a virtual IP if it needs one and has none.
    `vips` are IP addresses in canonical form. A later step may refuse some.
    `external_name` is in lower case, without a trailing dot.
    """

    namespace: str
    name: str
    ports: tuple[Port, ...] = ()
    vips: tuple[str, ...] = ()
    headless: bool = False
    external_name: str = ""
    weight: int | None = None
    created: str = ""
    exported_to: frozenset[str] | None = None
    placement: Placement = NEAREST
    policy: Policy = PLAIN
    silent: tuple[int, ...] = ()
    exports: bool = False
    selects: bool = False
    imported: bool = False
    addressable: bool = True

    @property
    def key(self) -> Key:
        return declaring(self.service)

    @property
    def service(self) -> ServiceName:
        return ServiceName(self.namespace, self.name, self.imported)


class Entry(Struct, frozen=True, gc=False, array_like=True):
    """One address of an item of a slice's `endpoints`.

    Addresses are as written. A later step leaves out those that no proxy can call. `pod` is the namespace and
    the name of the Pod that the endpoint is, as `Pod.place` has them, if it is one. There are hundreds of
    thousands of these: a struct takes less memory and time than a tuple, and none of the garbage collector's.
    """

    address: str
    state: State = State.READY
    node: str = ""
    zone: str = ""
    hostname: str = ""
    pod: str = ""
    workload: str = ""
    for_zones: tuple[str, ...] = ()
    for_nodes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EndpointSlice:
    """A `discovery.k8s.io/v1 EndpointSlice` of the Service `owner`, or of the ServiceImport if `imported`.

    `ports` maps the names of its TCP ports to numbers, as in `model.Endpoint`.
    `weight` is for all of its endpoints, `weights` for single addresses.
    `mirrored`: Kubernetes made it from a `v1 Endpoints`.
    `left_out` are endpoints that cannot be read and addresses that cannot be called.
    `cluster` is the one that an import's endpoints come from. Empty: nobody says.
    """

    namespace: str
    name: str
    owner: str
    ports: tuple[tuple[str, int | None], ...] = ()
    entries: tuple[Entry, ...] = ()
    weight: int | None = None
    weights: tuple[tuple[str, int], ...] = ()
    created: str = ""
    fqdn: bool = False
    mirrored: bool = False
    left_out: tuple[Omission, ...] = ()
    imported: bool = False
    cluster: str = ""

    @property
    def key(self) -> Key:
        return Key("EndpointSlice", self.namespace, self.name)

    @property
    def service(self) -> ServiceName:
        return ServiceName(self.namespace, self.owner, self.imported)

    @property
    def slices(self) -> tuple[EndpointSlice, ...]:
        return (self,)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """A `v1 Endpoints` of the Service of the same name. `slices` are what Kubernetes would mirror it into."""

    namespace: str
    name: str
    slices: tuple[EndpointSlice, ...] = ()
    created: str = ""
    left_out: tuple[Omission, ...] = ()

    @property
    def key(self) -> Key:
        return Key("Endpoints", self.namespace, self.name)

    @property
    def service(self) -> ServiceName:
        return ServiceName(self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class Namespace:
    """A `v1 Namespace`: the default protocol and visibility of the Services in it."""

    name: str
    protocol: Protocol = Protocol.HTTP
    exported_to: frozenset[str] | None = None
    created: str = ""

    @property
    def key(self) -> Key:
        return Key("Namespace", "", self.name)


@dataclass(frozen=True, slots=True)
class Node:
    """A `v1 Node` and its locality, which is also that of the Pods on it."""

    name: str
    locality: Locality = NOWHERE
    created: str = ""

    @property
    def key(self) -> Key:
        return Key("Node", "", self.name)


@dataclass(frozen=True, slots=True)
class Pod:
    """A `v1 Pod`: its labels, its node, and its annotations. None for an annotation that it lacks."""

    namespace: str
    name: str
    weight: int | None = None
    locality: Locality | None = None
    created: str = ""
    labels: Labels = ()
    node: str = ""

    @property
    def key(self) -> Key:
        return Key("Pod", self.namespace, self.name)

    @property
    def place(self) -> str:
        """By which endpoints name it, such as `shop/web-1`."""
        return f"{self.namespace}/{self.name}"


class Parent(NamedTuple):
    """A service that is the parent of a route: one port of it, by number or name, or all ports."""

    namespace: str
    name: str
    port: int = 0
    section: str = ""
    imported: bool = False

    @property
    def service(self) -> ServiceName:
        return ServiceName(self.namespace, self.name, self.imported)


@dataclass(frozen=True, slots=True)
class RouteObject:
    """A `gateway.networking.k8s.io` route of one of the kinds in `routing.RouteKind`."""

    kind: RouteKind
    namespace: str
    name: str
    parents: tuple[Parent, ...]
    rules: tuple[Rule, ...] = ()
    created: str = ""

    @property
    def key(self) -> Key:
        return Key(self.kind.value, self.namespace, self.name)


class GrantedFrom(NamedTuple):
    kind: str
    namespace: str


@dataclass(frozen=True, slots=True)
class Grant:
    """A `ReferenceGrant`: who may refer to which Services (`targets`) and ServiceImports (`imports`) in its
    namespace. An empty name means all.
    """

    namespace: str
    name: str
    sources: tuple[GrantedFrom, ...] = ()
    targets: tuple[str, ...] = ()
    created: str = ""
    imports: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        return Key("ReferenceGrant", self.namespace, self.name)

    def permits(self, source: GrantedFrom, service: ServiceName) -> bool:
        named = self.imports if service.imported else self.targets
        return source in self.sources and ("" in named or service.name in named)


Object = Service | EndpointSlice | Endpoints | Namespace | Node | Pod | RouteObject | Grant
