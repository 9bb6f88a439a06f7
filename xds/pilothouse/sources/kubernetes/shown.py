"""The routes as the API server shows them, for whoever writes their status."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pilothouse.kubernetes.fields import FieldError, Fields
from pilothouse.kubernetes.gateway import parent
from pilothouse.kubernetes.objects.types import Key, Parent
from pilothouse.kubernetes.parse import Parsed
from pilothouse.model.services import ServiceName
from pilothouse.sources import Fault
from pilothouse.sources.kubernetes.resources import Resource
from pilothouse.structures.dirty import DirtySet
from pilothouse.structures.index import Index


class Ref(NamedTuple):
    """A parentRef that names a Service or a ServiceImport: as it is written, and as it is read."""

    written: Mapping[str, Any]
    parent: Parent

    @property
    def service(self) -> ServiceName:
        return self.parent.service


@dataclass(frozen=True, slots=True)
class Shown:
    """A route at a resourceVersion. `path` is that of its `status`, `kind` and `api_version` are its own.

    `parents` is `status.parents`, with what other controllers say. `mistake` is why this version is not read.
    """

    kind: str
    api_version: str
    path: str
    version: str
    generation: int
    refs: tuple[Ref, ...]
    parents: tuple[Mapping[str, Any], ...] = ()
    mistake: str = ""


def shown(resource: Resource, document: Mapping[str, Any], key: Key, parsed: Parsed) -> Shown:
    """What a document of a route says. Whatever is odd counts as absent, since an API server checks it."""
    meta, status = document.get("metadata"), document.get("status")
    generation = meta.get("generation") if isinstance(meta, Mapping) else 0
    parents = status.get("parents") if isinstance(status, Mapping) else ()
    return Shown(
        resource.kind,
        resource.version,
        f"{resource.path(key.namespace)}/{key.name}/status",
        str(meta.get("resourceVersion") or "") if isinstance(meta, Mapping) else "",
        generation if isinstance(generation, int) else 0,
        tuple(_refs(document, key.namespace)),
        tuple(each for each in parents or () if isinstance(each, Mapping)),
        "; ".join(map(str, parsed.errors)),
    )


def _refs(document: Mapping[str, Any], namespace: str) -> Iterator[Ref]:
    try:
        for item in Fields(document).at("spec").each("parentRefs"):
            found = parent(item, namespace, lambda warning: None)
            if found is not None:
                yield Ref(dict(item.values), found)
    except FieldError:
        return  # what is wrong is told as a mistake


class ShownRoutes:
    """The routes of a cluster. A change is told after it was reported, so that the registry knows it, too."""

    def __init__(self) -> None:
        self._routes: dict[Key, Shown] = {}
        self._by_parent = Index[ServiceName, Key]()
        self._untold: set[Key] = set()
        #: The routes that have changed or are gone, for the writer of their status.
        self.changed = DirtySet[Key]()
        #: What the writer is not allowed to do, or cannot.
        self.faults: Sequence[Fault] = ()

    def __iter__(self) -> Iterator[Key]:
        return iter(self._routes)

    def get(self, key: Key) -> Shown | None:
        return self._routes.get(key)

    def naming(self, name: ServiceName) -> Collection[Key]:
        """The routes that name a Service as a parent, whether or not it exists."""
        return self._by_parent.at(name)

    def put(self, key: Key, new: Shown | None) -> None:
        """A route is shown anew, or is gone."""
        old = self._routes.pop(key, None)
        for ref in old.refs if old else ():
            self._by_parent.discard(ref.service, key)
        if new is not None:
            self._routes[key] = new
            for ref in new.refs:
                self._by_parent.add(ref.service, key)
        if old != new:
            self._untold.add(key)

    def tell(self) -> None:
        """What was put was reported."""
        if self._untold:
            self.changed.mark(self._untold)
            self._untold.clear()
