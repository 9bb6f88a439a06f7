"""Where the resources of one type are found, by whoever may see them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from pilothouse.encoding.resources import EMPTY, Resource, Selection
from pilothouse.mesh.audience import Audience
from pilothouse.mesh.identity import NOBODY, Principal


class Client:
    """Who looks, with the facets that a shelf depends on worked out once."""

    __slots__ = ("anywhere", "audience", "endpoint_facet", "families", "principal", "scope")

    def __init__(self, audience: Audience, principal: Principal = NOBODY) -> None:
        self.audience = audience
        #: What is proven of it. Clients with equal audiences may differ in this.
        self.principal = principal
        self.scope, self.endpoint_facet = audience.scope, audience.endpoint_facet
        self.families = frozenset(audience.families)
        #: The same client on a node that is not known.
        self.anywhere = audience.anywhere


class Shelf(Protocol):
    """All resources of one type. It never shows a client what that may not see, nor says that it is there."""

    def get(self, client: Client, name: str) -> Resource | None:
        """One resource, or None if there is none of that name for this client."""

    def all(self, client: Client) -> Selection:
        """All that a client may see."""

    def chosen(self, client: Client, names: frozenset[str]) -> Selection:
        """Those that have these names."""

    def prepare(self, client: Client, names: frozenset[str], wildcard: bool) -> Iterator[object]:
        """Make, in small steps, what a first look at all of these would take long for."""

    def is_absent(self, name: str) -> bool:
        """Whether it is known that a resource that a client lacks is not there."""

    def is_partial(self, name: str) -> bool:
        """Whether a resource may lack contributions of what cannot be read."""

    def count(self) -> int:
        """How many resources there are, for a client that may see all."""


class Nothing:
    """The shelf of a type of which nothing is configured."""

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
