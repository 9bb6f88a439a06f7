"""The shelves of the resources that services are translated to. They read the catalogue."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Set
from typing import ClassVar, TypeAlias

from pilothouse.encoding.resources import EMPTY, Resource, Selection
from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.audience import Audience, Capture, Dialect
from pilothouse.serving.catalogue import Catalogue
from pilothouse.serving.shelf import Client, Shelf
from pilothouse.translate.names import PASSTHROUGH
from pilothouse.translate.redirect import passthrough

#: By type. A type without a shelf is served and has no resources.
Shelves: TypeAlias = Mapping[ResourceType, Shelf]


def of_services(catalogue: Catalogue) -> dict[ResourceType, Shelf]:
    """The shelves of the resources that services are translated to."""
    return {shelf.type: shelf(catalogue) for shelf in (Clusters, Endpoints, Listeners, Routes)}


class OfServices(ABC):
    """The common part. All clients that choose the same names share a selection until anything changes."""

    type: ClassVar[ResourceType]

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    @abstractmethod
    def get(self, client: Client, name: str) -> Resource | None: ...

    @abstractmethod
    def all(self, client: Client) -> Selection: ...

    @abstractmethod
    def count(self) -> int: ...

    def chosen(self, client: Client, names: frozenset[str]) -> Selection:
        def build() -> Selection:
            found = ((name, self.get(client, name)) for name in sorted(self._existing(client, names)))
            return Selection({name: resource for name, resource in found if resource is not None})

        return self._catalogue.chosen(self.type, self._chooser(client, names), names, build)

    def prepare(self, client: Client, names: frozenset[str], wildcard: bool) -> Iterator[object]:
        return iter(())

    def is_absent(self, name: str) -> bool:
        return self._catalogue.knowledge.is_absent(self.type, name)

    def is_partial(self, name: str) -> bool:
        """All services contribute to one resource, so it is partial while anything is unknown."""
        return not self._catalogue.knowledge.complete

    def _existing(self, client: Client, names: frozenset[str]) -> Set[str]:
        """The names that may exist. Most do not, so this is a set operation and no look-up of each."""
        return self._catalogue.known(client.scope) & names

    def _chooser(self, client: Client, names: frozenset[str]) -> Audience:
        """The client as far as it matters to a choice. Its node matters to load assignments only."""
        return client.anywhere


class Clusters(OfServices):
    type = ResourceType.CLUSTER

    def get(self, client: Client, name: str) -> Resource | None:
        if name == PASSTHROUGH:
            return passthrough() if client.audience.passes_on else None
        return self._catalogue.cluster(client.scope, name, client.audience.dialect)

    def all(self, client: Client) -> Selection:
        audience = client.audience
        return self._catalogue.clusters(client.scope, audience.dialect, audience.passes_on)

    def is_partial(self, name: str) -> bool:
        return False

    def count(self) -> int:
        return self._catalogue.counts().clusters

    def _existing(self, client: Client, names: frozenset[str]) -> Set[str]:
        return super()._existing(client, names) | (names & {PASSTHROUGH})


class Endpoints(OfServices):
    type = ResourceType.ENDPOINTS

    def get(self, client: Client, name: str) -> Resource | None:
        return self._catalogue.load_assignment(client.scope, client.endpoint_facet, name)

    def all(self, client: Client) -> Selection:
        return self._catalogue.load_assignments(client.scope, client.endpoint_facet)

    def prepare(self, client: Client, names: frozenset[str], wildcard: bool) -> Iterator[object]:
        if wildcard:
            names = frozenset(self._catalogue.clusters(client.scope, client.audience.dialect).resources)
        elif self._catalogue.has_chosen(self.type, self._chooser(client, names), names):
            return
        for name in self._existing(client, names):
            yield self.get(client, name)

    def is_partial(self, name: str) -> bool:
        return self._catalogue.knowledge.may_lack_endpoints(name)

    def count(self) -> int:
        return self._catalogue.counts().assignments

    def _chooser(self, client: Client, names: frozenset[str]) -> Audience:
        return client.audience if self._catalogue.by_node(names) else client.anywhere


class _Spoken(OfServices):
    """Types that have another form for gRPC clients. These name each target, so their names are unbounded."""

    def get(self, client: Client, name: str) -> Resource | None:
        if client.audience.dialect is Dialect.GRPC:
            return self._proxyless(client, name)
        return self._selected(client).resources.get(name)

    def all(self, client: Client) -> Selection:
        return EMPTY if client.audience.dialect is Dialect.GRPC else self._selected(client)

    def prepare(self, client: Client, names: frozenset[str], wildcard: bool) -> Iterator[object]:
        capture = client.audience.capture
        return (
            iter(()) if capture is Capture.PROXY else self._catalogue.prepare_capture(client.scope, capture)
        )

    def _existing(self, client: Client, names: frozenset[str]) -> Set[str]:
        if client.audience.dialect is Dialect.GRPC:
            return names
        return self._selected(client).resources.keys() & names

    @abstractmethod
    def _selected(self, client: Client) -> Selection: ...

    @abstractmethod
    def _proxyless(self, client: Client, name: str) -> Resource | None: ...


class Listeners(_Spoken):
    type = ResourceType.LISTENER

    def count(self) -> int:
        return self._catalogue.counts().listeners + 1

    def _selected(self, client: Client) -> Selection:
        audience = client.audience
        return self._catalogue.listeners(
            client.scope, audience.egress, audience.capture, client.families, audience.passes_on
        )

    def _proxyless(self, client: Client, name: str) -> Resource | None:
        return self._catalogue.api_listener(client.scope, name)


class Routes(_Spoken):
    type = ResourceType.ROUTES

    def count(self) -> int:
        return 1

    def _selected(self, client: Client) -> Selection:
        return self._catalogue.routes(client.scope, client.audience.capture, client.families)

    def _proxyless(self, client: Client, name: str) -> Resource | None:
        return self._catalogue.cluster_routes(client.scope, name)
