"""Finds the object that an omission is about, so that users can open its file at the right line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from pilothouse.kubernetes.backing import entries
from pilothouse.kubernetes.documents import Declared, Place
from pilothouse.kubernetes.objects.types import Endpoints, EndpointSlice, Key, declaring
from pilothouse.model.addresses import canonical_address
from pilothouse.model.reasons import Omission
from pilothouse.model.routing import Route, Rule
from pilothouse.model.services import Service, ServiceName

#: An object, the file that declares it, and the place in that file.
Whereabouts: TypeAlias = tuple[Key, str, Place]


class Places:
    """The declarations in force, searched by what an omission says."""

    def __init__(self, declared: Mapping[Key, tuple[str, Declared]]) -> None:
        self._declared = declared
        self._keys = {str(key): key for key in declared}
        self._slices: defaultdict[tuple[ServiceName, str], set[Key]] = defaultdict(set)
        for key, (_, one) in declared.items():
            if isinstance(one.object, EndpointSlice | Endpoints):
                for entry in entries(one.object):
                    self._slices[one.object.service, canonical_address(entry.address)].add(key)

    def of_object(self, omission: Omission) -> Iterator[Whereabouts]:
        """The object that the omission names by kind and name. Nothing if it is not declared."""
        key = self._keys.get(omission.what)
        if key is not None:
            yield self._at(key)

    def of_part(self, service: Service, omission: Omission) -> Iterator[Whereabouts]:
        """The objects that a service's omission is about: a route or slices, else the Service itself."""
        keys = {
            self._keys.get(omission.what),
            *self._routes(service, omission.what),
            *self._slices_with(service.name, omission.what),
        }
        found = sorted(key for key in keys if key is not None and key in self._declared)
        for key in found or [declaring(service.name)]:
            yield self._at(key)

    def _at(self, key: Key) -> Whereabouts:
        file, declared = self._declared[key]
        return key, file, declared.place

    def _routes(self, service: Service, what: str) -> Iterator[Key]:
        for route in service.spec.routes:
            if any(what in _said(rule) for rule in route.rules):
                yield _key(route)

    def _slices_with(self, name: ServiceName, what: str) -> set[Key]:
        """The slices that have the address. The text may have a port after the address."""
        host, _, _ = what.rpartition(":")
        either = canonical_address(what), canonical_address(host.strip("[]"))
        return {key for address in either for key in self._slices.get((name, address), ())}


def _said(rule: Rule) -> set[str]:
    """The names under which a rule, or a part of it, is left out."""
    backends = (*rule.backends, *(mirror.backend for mirror in rule.filters.mirrors))
    return {*map(str, backends), rule.unsupported} - {""}


def _key(route: Route) -> Key:
    return Key(route.kind.value, route.namespace, route.name)
