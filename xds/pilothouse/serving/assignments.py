"""Load assignments. Each is encoded once for all clients that get the same, and kept while a stream has
it.
"""

from __future__ import annotations

from collections.abc import Iterator
from weakref import ref

from pilothouse.encoding.resources import Resource
from pilothouse.mesh.audience import EndpointFacet
from pilothouse.translate import assignment
from pilothouse.translate.endpoints.pools import Pool


class Assignments:
    """Load assignments by cluster name and by facet. Each push to each stream looks them up."""

    def __init__(self) -> None:
        self._held: dict[str, dict[EndpointFacet, _Assigned]] = {}

    def __iter__(self) -> Iterator[Resource]:
        found = (each() for held in self._held.values() for each in held.values())
        return (resource for resource in found if resource is not None)

    def of(self, name: str, pool: Pool, facet: EndpointFacet) -> Resource:
        """The load assignment of a cluster for clients of this facet."""
        held = self._held.get(name)
        assigned = held.get(facet) if held is not None else None
        found = assigned() if assigned is not None else None
        return found if found is not None else self._assign(name, pool, facet)

    def forget(self, name: str) -> None:
        """Forget the load assignments of a cluster whose endpoints have changed."""
        self._held.pop(name, None)

    def _assign(self, name: str, pool: Pool, facet: EndpointFacet) -> Resource:
        found = assignment(name, pool, facet)
        assigned = self._held.setdefault(name, {})[facet] = _Assigned(found, self._unassign)
        assigned.name, assigned.facet = name, facet
        return found

    def _unassign(self, ended: ref[Resource]) -> None:
        """Forget a load assignment that no stream has any more, unless a newer one has replaced it."""
        assert isinstance(ended, _Assigned)
        held = self._held.get(ended.name, {})
        if held.get(ended.facet) is ended:
            del held[ended.facet]
            if not held:
                del self._held[ended.name]


class _Assigned(ref[Resource]):
    """A weak reference to a load assignment, with its cluster and its facet."""

    __slots__ = ("facet", "name")
    name: str
    facet: EndpointFacet
