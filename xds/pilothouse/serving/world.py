"""What one audience may see: a lens over the catalogue, not a copy. It never shows what is out of scope."""

from __future__ import annotations

from collections.abc import Iterator, Set

from pilothouse.encoding.resources import EMPTY, Resource, ResourceType, Selection
from pilothouse.mesh.audience import Audience, Capture, Dialect
from pilothouse.serving.catalogue import Catalogue


class World:
    """All resources of one audience. Cheap to make: what is computed is kept in the catalogue, by facet."""

    def __init__(self, catalogue: Catalogue, audience: Audience) -> None:
        self._catalogue = catalogue
        self.audience = audience
        self._scope, self._vantage = audience.scope, audience.vantage
        self._families = frozenset(audience.families)
        self._anywhere = audience.anywhere
        self._capturing = (
            catalogue.capturing.hold() if audience.capture is Capture.VIP else None
        )  # to be held

    def get(self, type: ResourceType, name: str) -> Resource | None:
        """One resource, or None if there is none of that name for this audience."""
        scope = self._scope
        if type is ResourceType.ENDPOINTS:
            return self._catalogue.load_assignment(scope, self._vantage, name)
        if type is ResourceType.CLUSTER:
            return self._catalogue.cluster(scope, name, self.audience.dialect)
        if self.audience.dialect is Dialect.GRPC:
            return self._proxyless(type, name)
        return self.selection(type).resources.get(name)

    @property
    def complete(self) -> bool:
        """Whether absence means absence: nothing is unknown."""
        return self._catalogue.knowledge.complete

    def is_absent(self, type: ResourceType, name: str) -> bool:
        """Whether it is known that a resource that this audience lacks is not there."""
        return self._catalogue.knowledge.is_absent(type, name)

    def is_partial(self, type: ResourceType, name: str) -> bool:
        """Whether a resource may lack contributions of services that cannot be read."""
        return self._catalogue.knowledge.is_partial(type, name)

    def selection(self, type: ResourceType) -> Selection:
        """All of one type."""
        audience, catalogue = self.audience, self._catalogue
        if audience.dialect is Dialect.GRPC and type in (ResourceType.LISTENER, ResourceType.ROUTES):
            return EMPTY  # a gRPC client names each target; there is no end to what it might name
        match type:
            case ResourceType.CLUSTER:
                return catalogue.clusters(self._scope, audience.dialect)
            case ResourceType.ENDPOINTS:
                return catalogue.load_assignments(self._scope, self._vantage)
            case ResourceType.LISTENER:
                return catalogue.listeners(self._scope, audience.egress, audience.capture, self._families)
            case ResourceType.ROUTES:
                return catalogue.routes(self._scope, audience.capture, self._families)

    def chosen(self, type: ResourceType, names: frozenset[str]) -> Selection:
        """Those of one type that have these names; shared by all who choose the same."""
        return self._catalogue.chosen(
            type, self._choosing(type, names), names, lambda: self._choose(type, names)
        )

    def prepare(self, type: ResourceType, names: frozenset[str], wildcard: bool) -> Iterator[object]:
        """Make, in small steps, what a first look at all of these would take long for.

        To be held until then: what nobody has is not kept.
        """
        if type is ResourceType.ENDPOINTS:
            if wildcard:
                names = frozenset(self.selection(ResourceType.CLUSTER).resources)
            elif self._catalogue.has_chosen(type, self._choosing(type, names), names):
                return
            for name in self._existing(type, names):
                yield self.get(type, name)
        elif type is not ResourceType.CLUSTER and self._capturing is not None:
            yield from self._catalogue.prepare_capture(self._scope)

    def _choosing(self, type: ResourceType, names: frozenset[str]) -> Audience:
        """Who chooses: the node itself matters to few, and to endpoints only."""
        by_node = type is ResourceType.ENDPOINTS and self._catalogue.by_node(names)
        return self.audience if by_node else self._anywhere

    def _choose(self, type: ResourceType, names: frozenset[str]) -> Selection:
        found = ((name, self.get(type, name)) for name in sorted(self._existing(type, names)))
        return Selection({name: resource for name, resource in found if resource is not None})

    def _existing(self, type: ResourceType, names: frozenset[str]) -> Set[str]:
        """Those names that may be of something; that most are not is found out without a look at each."""
        if type is ResourceType.CLUSTER or type is ResourceType.ENDPOINTS:
            return self._catalogue.known(self._scope) & names
        if self.audience.dialect is Dialect.GRPC:
            return names
        return self.selection(type).resources.keys() & names

    def _proxyless(self, type: ResourceType, name: str) -> Resource | None:
        if type is ResourceType.LISTENER:
            return self._catalogue.api_listener(self._scope, name)
        return self._catalogue.cluster_routes(self._scope, name)
