"""The Kubernetes objects that decide where requests go, stripped to the fields that do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

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
    """What an object is called in its API server. `namespace` is empty for nodes."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Service:
    """A `v1 Service`. `weight` is the default of its endpoints; None where it says nothing.

    `silent` are the places in `ports` of those of which nothing says what they speak; `exports` is whether
    it says itself to whom it is exported. `selects` is whether it has a selector.
    `vips` are IP addresses, canonical unless they are refused further on; `external_name` is lower case
    without a trailing dot.
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

    @property
    def key(self) -> Key:
        return Key("Service", self.namespace, self.name)

    @property
    def service(self) -> ServiceName:
        return ServiceName(self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of a slice's `endpoints`: one thing that runs, with all its addresses.

    Addresses are as written: one that no proxy can use is left out, with a reason, further on.
    `pod` is the key of the Pod that it is, if it is one.
    """

    addresses: tuple[str, ...]
    state: State = State.READY
    node: str = ""
    zone: str = ""
    hostname: str = ""
    pod: Key | None = None
    workload: str = ""
    for_zones: tuple[str, ...] = ()
    for_nodes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EndpointSlice:
    """A `discovery.k8s.io/v1 EndpointSlice` that belongs to the Service named `owner`.

    `ports` maps the names of its TCP ports to numbers as in `model.Endpoint`; `weight` is for all of its
    endpoints, `weights` for single addresses. `mirrored` is whether Kubernetes made it of a `v1 Endpoints`.
    `left_out` are the endpoints that cannot be read, and the addresses that cannot be called.
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

    @property
    def key(self) -> Key:
        return Key("EndpointSlice", self.namespace, self.name)

    @property
    def service(self) -> ServiceName:
        return ServiceName(self.namespace, self.owner)

    @property
    def slices(self) -> tuple[EndpointSlice, ...]:
        return (self,)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """A `v1 Endpoints` of the Service of its name. `slices` are those that Kubernetes mirrors it into."""

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
    """A `v1 Namespace`: what is spoken on its services' ports, and to whom they are exported, where nothing
    else says it.
    """

    name: str
    protocol: Protocol = Protocol.HTTP
    exported_to: frozenset[str] | None = None
    created: str = ""

    @property
    def key(self) -> Key:
        return Key("Namespace", "", self.name)


@dataclass(frozen=True, slots=True)
class Node:
    """A `v1 Node`: where in the world what runs on it is."""

    name: str
    locality: Locality = NOWHERE
    created: str = ""

    @property
    def key(self) -> Key:
        return Key("Node", "", self.name)


@dataclass(frozen=True, slots=True)
class Pod:
    """A `v1 Pod`: its labels and its node, and what its annotations say. None where they say nothing."""

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


class Parent(NamedTuple):
    """The Service that a route is about: one port of it by number or by name, or all of them."""

    namespace: str
    name: str
    port: int = 0
    section: str = ""


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
    """A `ReferenceGrant`: who may refer to which Services of its namespace; an empty name is all of them."""

    namespace: str
    name: str
    sources: tuple[GrantedFrom, ...] = ()
    targets: tuple[str, ...] = ()
    created: str = ""

    @property
    def key(self) -> Key:
        return Key("ReferenceGrant", self.namespace, self.name)

    def permits(self, source: GrantedFrom, service: str) -> bool:
        return source in self.sources and ("" in self.targets or service in self.targets)


Object = Service | EndpointSlice | Endpoints | Namespace | Node | Pod | RouteObject | Grant
