"""Shelves of what is served beside services: few resources, all replaced together when a file changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pilothouse.encoding.resources import Resource, Selection
from pilothouse.encoding.types import Changes, ResourceType
from pilothouse.mesh.audience import Dialect
from pilothouse.mesh.identity import Grant
from pilothouse.mesh.visibility import Scope
from pilothouse.serving.shelf import Client, Nothing


@dataclass(frozen=True, slots=True)
class News:
    """The names that changed on a shelf. All clients are notified; the shelf decides what each may see."""

    names: Changes

    def seen(self, scope: Scope, dialect: Dialect) -> Changes:
        return self.names


class Fed(Nothing):
    """All resources of one type, for all clients. Nothing is cached for a client."""

    def __init__(self, type: ResourceType) -> None:
        self.type = type
        self._held: Mapping[str, Resource] = {}

    def put(self, found: Iterable[Resource]) -> News | None:
        """Replace the resources. Returns what that changed."""
        before = self._held
        # An unchanged resource stays the same object, so that streams go on to share its bytes.
        self._held = {
            one.name: before[one.name] if _version(before, one.name) == one.version else one for one in found
        }
        names = before.keys() | self._held.keys()
        changed = {name for name in names if _version(before, name) != _version(self._held, name)}
        return News({self.type: frozenset(changed)}) if changed else None

    def get(self, client: Client, name: str) -> Resource | None:
        found = self._held.get(name)
        return found if found is not None and self._may_have(client, name) else None

    def all(self, client: Client) -> Selection:
        return self.chosen(client, frozenset(self._held))

    def chosen(self, client: Client, names: frozenset[str]) -> Selection:
        found = ((name, self.get(client, name)) for name in sorted(names & self._held.keys()))
        return Selection({name: resource for name, resource in found if resource is not None})

    def count(self) -> int:
        return len(self._held)

    def _may_have(self, client: Client, name: str) -> bool:
        return True


class Granted(Fed):
    """All resources of one type, each with a grant. A client without the grant sees no such resource."""

    def __init__(self, type: ResourceType) -> None:
        super().__init__(type)
        self._grants: Mapping[str, Grant] = {}

    def grant(self, found: Iterable[tuple[Resource, Grant]]) -> News | None:
        """As `put`, with a grant for each resource."""
        held = list(found)
        before, self._grants = self._grants, {resource.name: grant for resource, grant in held}
        news = self.put([resource for resource, _ in held])
        names = news.names[self.type] if news else frozenset[str]()
        names |= {n for n in before.keys() & self._grants.keys() if before[n] != self._grants[n]}
        return News({self.type: names}) if names else None

    def _may_have(self, client: Client, name: str) -> bool:
        return self._grants[name].holds(client.principal)


def _version(resources: Mapping[str, Resource], name: str) -> str | None:
    found = resources.get(name)
    return found.version if found is not None else None
