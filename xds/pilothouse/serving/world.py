"""What one client may see: a lens over the shelves, not a copy. It shows nothing that is out of scope."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from pilothouse.encoding.resources import Resource, Selection
from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.audience import Audience, Capture
from pilothouse.mesh.identity import NOBODY, Principal
from pilothouse.model.reasons import Omission
from pilothouse.serving.catalogue import Catalogue
from pilothouse.serving.shelf import NOTHING, Client, Shelf
from pilothouse.serving.shelves import Shelves, of_services


class World:
    """All resources of one client. Cheap to make, because computed resources are kept on the shelves, by
    facet.

    Without `shelves`, it has only the resources that services are translated to.
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
            None if audience.capture is Capture.PROXY else catalogue.capturing.hold()
        )  # to be held

    @property
    def unknown_dependencies(self) -> tuple[Omission, ...]:
        """What the client depends on and does not exist."""
        return self._catalogue.unknown_dependencies(self.audience.scope)

    def get(self, type: ResourceType, name: str) -> Resource | None:
        """One resource. None if this client has none of that name."""
        return self._shelf(type).get(self._client, name)

    def finder(self, type: ResourceType) -> Callable[[str], Resource | None]:
        """`get` for one type."""
        return partial(self._shelf(type).get, self._client)

    @property
    def principal(self) -> Principal:
        """What the client has proven."""
        return self._client.principal

    @property
    def revision(self) -> int:
        """The number of the last revision that is in force; 0 before the first one."""
        return self._catalogue.revision

    @property
    def complete(self) -> bool:
        """Whether nothing is unknown, so that a missing resource is known to be absent."""
        return self._catalogue.knowledge.complete

    def is_absent(self, type: ResourceType, name: str) -> bool:
        """Whether a resource that this client lacks is known not to exist."""
        return self._shelf(type).is_absent(name)

    def is_partial(self, type: ResourceType, name: str) -> bool:
        """Whether a resource may lack parts from a place that cannot be read."""
        return self._shelf(type).is_partial(name)

    def selection(self, type: ResourceType) -> Selection:
        """All resources of one type."""
        return self._shelf(type).all(self._client)

    def chosen(self, type: ResourceType, names: frozenset[str]) -> Selection:
        """The resources of one type with these names. Clients that choose the same share the selection."""
        return self._shelf(type).chosen(self._client, names)

    def prepare(self, type: ResourceType, names: frozenset[str], wildcard: bool) -> Iterator[object]:
        """Compute these resources in small steps, because a first look at all of them would take long.

        The caller holds the results until that look: a resource that nobody holds is not kept.
        """
        return self._shelf(type).prepare(self._client, names, wildcard)

    def _shelf(self, type: ResourceType) -> Shelf:
        return self._shelves.get(type, NOTHING)
