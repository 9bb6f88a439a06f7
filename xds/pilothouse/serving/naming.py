"""The shelf of what resolvers beside applications are told: the names of services, and the zone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set

from pilothouse.encoding.resources import Resource, Selection
from pilothouse.encoding.types import Changes, ResourceType
from pilothouse.mesh.audience import Dialect
from pilothouse.mesh.names import ClusterZone, owners
from pilothouse.mesh.visibility import Scope, Visibility
from pilothouse.serving.catalogue import Catalogue
from pilothouse.serving.shelf import Client
from pilothouse.serving.shelves import OfServices
from pilothouse.translate import Translated
from pilothouse.translate.naming import resource_name, zone


class ZoneChange:
    """All services of a domain are known now, or not any more. All clients are concerned."""

    def __init__(self, domain: str) -> None:
        self._names: Changes = {ResourceType.NAMES: frozenset({domain})}

    def seen(self, scope: Scope, dialect: Dialect) -> Changes:
        return self._names


class Names(OfServices):
    """`complete`: whether a name without a service does not exist."""

    type = ResourceType.NAMES

    def __init__(self, catalogue: Catalogue, cluster: ClusterZone, complete: Callable[[], bool]) -> None:
        super().__init__(catalogue)
        self._zones = {known: zone(cluster, known) for known in (False, True)}
        self._complete = complete
        self._said = self.zone

    @property
    def zone(self) -> Resource:
        """What is said of the domain now."""
        return self._zones[self._complete()]

    def news(self) -> list[ZoneChange]:
        """What has changed of the domain since the last call."""
        before, self._said = self._said, self.zone
        return [] if before is self._said else [ZoneChange(self._said.name)]

    def get(self, client: Client, name: str) -> Resource | None:
        if name == self.zone.name:
            return self.zone
        found = self._owner(name)
        if found is None or not client.scope.sees(Visibility.of(found.service.spec)):
            return None
        return self._catalogue.named(found)

    def all(self, client: Client) -> Selection:
        return self._catalogue.names(client.scope, self.zone)

    def prepare(self, client: Client, names: frozenset[str], wildcard: bool) -> Iterator[object]:
        visible = self._catalogue.directory.visible(client.scope) if wildcard else ()
        return map(self._catalogue.named, visible)

    def is_partial(self, name: str) -> bool:
        return name != self.zone.name and self._catalogue.knowledge.is_partial(self._owner(name))

    def count(self) -> int:
        return len(self._catalogue.directory.all()) + 1

    def _owner(self, name: str) -> Translated | None:
        for each in owners(name, ""):
            found = self._catalogue.directory.get(each)
            if found is not None and resource_name(found.service.spec) == name:
                return found
        return None

    def _existing(self, client: Client, names: frozenset[str]) -> Set[str]:
        return self.all(client).resources.keys() & names
