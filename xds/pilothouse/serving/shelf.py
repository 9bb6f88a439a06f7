"""The interface to the resources of one type, as each client may see them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from pilothouse.encoding.resources import EMPTY, Resource, Selection
from pilothouse.mesh.audience import Audience
from pilothouse.mesh.identity import NOBODY, Principal


class Client:
    """A client, with the facets that shelves depend on computed once."""

    __slots__ = ("anywhere", "audience", "endpoint_facet", "families", "principal", "scope")

    def __init__(self, audience: Audience, principal: Principal = NOBODY) -> None:
        self.audience = audience
        #: What the client has proven. Clients with equal audiences may differ in this.
        self.principal = principal
        self.scope, self.endpoint_facet = audience.scope, audience.endpoint_facet
        self.families = frozenset(audience.families)
        #: The audience of the same client on an unknown node.
        self.anywhere = audience.anywhere


class Shelf(Protocol):
    """All resources of one type. A client can neither get a resource that it may not see, nor learn of it."""

    def get(self, client: Client, name: str) -> Resource | None:
        """One resource. None if this client has none of that name."""

    def all(self, client: Client) -> Selection:
        """All resources that a client may see."""

    def chosen(self, client: Client, names: frozenset[str]) -> Selection:
        """The resources with these names."""

    def prepare(self, client: Client, names: frozenset[str], wildcard: bool) -> Iterator[object]:
        """Compute these resources in small steps, because a first look at all of them would take long."""

    def is_absent(self, name: str) -> bool:
        """Whether a resource that a client lacks is known not to exist."""

    def is_partial(self, name: str) -> bool:
        """Whether a resource may lack parts from a place that cannot be read."""

    def count(self) -> int:
        """The number of resources that a client sees that may see all."""


class Nothing:
    """The shelf of a type for which nothing is configured."""

    def get(self, client: Client, name: str) -> Resource | None:
        return None

    def all(self, client: Client) -> Selection:
        return EMPTY

    def chosen(self, client: Client, names: frozenset[str]) -> Selection:
        return EMPTY

    def prepare(self, client: Client, names: frozenset[str], wildcard: bool) -> Iterator[object]:
        return iter(())

    def is_absent(self, name: str) -> bool:
        return True

    def is_partial(self, name: str) -> bool:
        return False

    def count(self) -> int:
        return 0


NOTHING: Shelf = Nothing()
