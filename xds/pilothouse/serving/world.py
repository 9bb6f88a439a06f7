"""What one audience may see: a lens over the shelves, not a copy. It never shows what is out of scope."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from pilothouse.encoding.resources import Resource, Selection
from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.audience import Audience, Capture
from pilothouse.mesh.identity import NOBODY, Principal
from pilothouse.serving.catalogue import Catalogue
from pilothouse.serving.shelf import NOTHING, Client, Shelf
from pilothouse.serving.shelves import Shelves, of_services


class World:
    """All resources of one audience. Cheap to make: what is computed is kept on the shelves, by facet.

    Without `shelves` there is what services are translated to, and nothing else.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        audience: Audience,
        shelves: Shelves | None = None,
        principal: Principal = NOBODY,
    ) -> None:
        self._catalogue = catalogue
        self.audience = audience
        self._shelves = of_services(catalogue) if shelves is None else shelves
        self._client = Client(audience, principal)
        self._capturing = (
            catalogue.capturing.hold() if audience.capture is Capture.VIP else None
        )  # to be held

    def get(self, type: ResourceType, name: str) -> Resource | None:
        """One resource, or None if there is none of that name for this audience."""
        return self._shelf(type).get(self._client, name)

    def finder(self, type: ResourceType) -> Callable[[str], Resource | None]:
        """`get`, of one type."""
        return partial(self._shelf(type).get, self._client)

    @property
    def complete(self) -> bool:
        """Whether absence means absence: nothing is unknown."""
        return self._catalogue.knowledge.complete

    def is_absent(self, type: ResourceType, name: str) -> bool:
        """Whether it is known that a resource that this audience lacks is not there."""
        return self._shelf(type).is_absent(name)

    def is_partial(self, type: ResourceType, name: str) -> bool:
        """Whether a resource may lack contributions of services that cannot be read."""
        return self._shelf(type).is_partial(name)

    def selection(self, type: ResourceType) -> Selection:
        """All of one type."""
        return self._shelf(type).all(self._client)

    def chosen(self, type: ResourceType, names: frozenset[str]) -> Selection:
        """Those of one type that have these names; shared by all who choose the same."""
        return self._shelf(type).chosen(self._client, names)

    def prepare(self, type: ResourceType, names: frozenset[str], wildcard: bool) -> Iterator[object]:
        """Make, in small steps, what a first look at all of these would take long for.

        To be held until then: what nobody has is not kept.
        """
        return self._shelf(type).prepare(self._client, names, wildcard)

    def _shelf(self, type: ResourceType) -> Shelf:
        return self._shelves.get(type, NOTHING)
