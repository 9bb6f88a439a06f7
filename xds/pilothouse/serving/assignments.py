"""Load assignments: encoded once for all clients that are to get the same, while a stream has them."""

from __future__ import annotations

from collections.abc import Iterator
from weakref import ref

from pilothouse.encoding.resources import Resource
from pilothouse.mesh.audience import EndpointFacet
from pilothouse.translate import assignment
from pilothouse.translate.endpoints.pools import Pool


class Assignments:
    """By name of the cluster and by facet. They are looked up at each push to each stream."""

    def __init__(self) -> None:
        self._held: dict[str, dict[EndpointFacet, _Assigned]] = {}

    def __iter__(self) -> Iterator[Resource]:
        found = (each() for held in self._held.values() for each in held.values())
        return (resource for resource in found if resource is not None)

    def of(self, name: str, pool: Pool, facet: EndpointFacet) -> Resource:
        """The endpoints of a cluster for clients of this facet."""
        held = self._held.get(name)
        assigned = held.get(facet) if held is not None else None
        found = assigned() if assigned is not None else None
        return found if found is not None else self._assign(name, pool, facet)

    def forget(self, name: str) -> None:
        """The endpoints of a cluster have changed."""
        self._held.pop(name, None)

    def _assign(self, name: str, pool: Pool, facet: EndpointFacet) -> Resource:
        found = assignment(name, pool, facet)
        assigned = self._held.setdefault(name, {})[facet] = _Assigned(found, self._unassign)
        assigned.name, assigned.facet = name, facet
        return found

    def _unassign(self, ended: ref[Resource]) -> None:
        """No stream has a load assignment any more, which has not changed since."""
        assert isinstance(ended, _Assigned)
        held = self._held.get(ended.name, {})
        if held.get(ended.facet) is ended:
            del held[ended.facet]
            if not held:
                del self._held[ended.name]


class _Assigned(ref[Resource]):
    """A load assignment, and for whom it is."""

    __slots__ = ("facet", "name")
    name: str
    facet: EndpointFacet
