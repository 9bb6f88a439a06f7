"""A control plane without I/O: the registry, the catalogue, and clients on the real stream machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from google.protobuf.any_pb2 import Any as Packed

from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.audience import Audience, Dialect
from pilothouse.model.services import Service, ServiceName
from pilothouse.registry.merged import Registry
from pilothouse.serving.catalogue import Catalogue
from pilothouse.serving.changes import Change, affected
from pilothouse.serving.world import World

from ..protocol.clients import CLIENTS
from ..protocol.connection import Connection
from ..protocol.reading import Said
from ..protocol.toy_world import CDS, EDS, LDS, MESSAGES, NO_ENDPOINTS, RDS
from .towns import CLUSTERS, LISTENERS, SOURCES
from .towns import NAMES as SERVICES

NAMES: Mapping[ResourceType, tuple[str, ...]] = {
    CDS: CLUSTERS,
    EDS: CLUSTERS,
    LDS: LISTENERS,
    RDS: (*LISTENERS, *CLUSTERS),
}


class Plane:
    """What one process holds, and nothing that outlives it."""

    def __init__(self) -> None:
        self.registry = Registry(SOURCES)
        self.catalogue = Catalogue()
        self.shards = {source: self.registry.shard(source) for source in SOURCES}

    def publish(self) -> list[Change]:
        """Carry over what the registry says has changed."""
        self.registry.changed.mark(
            [SERVICES[0]]
        )  # to look at it once more changes nothing, and nothing waits
        try:
            self.registry.changed.take().send(None)
        except StopIteration as taken:
            return self.catalogue.apply(sorted(taken.value), self.registry.services)
        raise AssertionError("what was marked is not taken")


def opened(type: ResourceType, message: Any) -> tuple[str, str]:
    """The name of a resource, and all of it as text; of a load assignment without endpoints, none."""
    text = message.SerializeToString(deterministic=True).hex()
    if type is EDS:
        return message.cluster_name, text if message.endpoints else NO_ENDPOINTS
    return message.name, text


class View(World):
    """The world of one audience, and what a client of it should hold according to a fresh translation."""

    opened = staticmethod(opened)

    def __init__(self, plane: Plane, audience: Audience) -> None:
        super().__init__(plane.catalogue, audience)
        self.texts: Mapping[ResourceType, Mapping[str, str]] = {}

    def expect(self, services: Mapping[ServiceName, Service], said_empty: bool) -> None:
        """Translate these services from nothing. An empty list counts if the client can be told."""
        found = dict(translated(tuple(sorted(services.items())), self.audience))
        if not said_empty:
            found[EDS] = {name: text for name, text in found[EDS].items() if text != NO_ENDPOINTS}
        self.texts = found


# Clients of one audience are asked one after the other what they hold of the same services.
@lru_cache(maxsize=32)
def translated(
    services: tuple[tuple[ServiceName, Service], ...], audience: Audience
) -> Mapping[ResourceType, Mapping[str, str]]:
    """What a new control plane would serve to an audience."""
    catalogue = Catalogue()
    catalogue.apply([name for name, _ in services], dict(services))
    fresh = World(catalogue, audience)
    found = {type: dict(_found(fresh, type)) for type in NAMES}
    if audience.dialect is Dialect.ENVOY:
        said = bytes.fromhex("".join([*found[LDS].values(), *found[RDS].values()]))
        # One name goes on where another ends: `payments.shop` is that of a domain as well.
        named = [n for n in CLUSTERS if said.count(n.encode()) > said.count(n.encode() + b".svc")]
        dangling = [name for name in named if name not in found[CDS]]
        assert not dangling, f"routes and listeners name what is not there: {dangling}"
    return found


def _found(world: World, type: ResourceType) -> Iterable[tuple[str, str]]:
    there = {*NAMES[type], *world.selection(type).resources}
    for resource in (world.get(type, name) for name in sorted(there)):
        if resource is not None:
            # The Any of a resource is its type URL and then its bytes.
            message = MESSAGES[type]()
            assert _any(resource.any).Unpack(message)
            yield opened(type, message)


def _any(data: bytes) -> Any:
    return Packed.FromString(data)


class Line(Connection):
    """A client of one audience on a stream."""

    def __init__(self, variant: str, plane: Plane, audience: Audience) -> None:
        super().__init__(CLIENTS[variant](), View(plane, audience))  # type: ignore[arg-type]

    @property
    def view(self) -> View:
        """The world, as what it is here."""
        view: Any = self.world
        assert isinstance(view, View)
        return view

    def connect(self) -> None:
        super().connect()
        self.stream.legacy = self.view.audience.dialect is Dialect.ENVOY

    def told_of(self, changes: list[Change]) -> None:
        audience = self.view.audience
        self.changed(affected(changes, audience.scope, audience.dialect))

    def moved(self, plane: Plane) -> None:
        """The process that served it is gone, and another one takes its place."""
        self.world = View(plane, self.view.audience)  # type: ignore[assignment]
        self.resume()

    def resume(self) -> None:
        """Come back with what it holds."""
        self.connect()
        for type, held in self.client.held.items():
            if held.names:
                self.first(type)

    @property
    def sent_again(self) -> list[Said]:
        """What is under way to it, which has everything. A gRPC client cannot prove that in SotW."""
        proves = self.stream.legacy or self.client.variant == "delta"
        return [said for said in self.responses if said.texts and proves]

    def differs(self, services: Mapping[ServiceName, Service]) -> object:
        """Where it is not what a new translation of these services says, once it has come to rest."""
        self.settle()
        self.view.expect(services, self.client.variant == "delta")
        return self.client.lacks(self.world)
