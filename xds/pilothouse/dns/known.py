"""The services in force as DNS asks for them: by name, by namespace and by address."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Protocol

from pilothouse.model.services import Service, ServiceName
from pilothouse.registry.merged import Registry
from pilothouse.serving.catalogue import Catalogue
from pilothouse.structures.index import Index


class Known(Protocol):
    """The services that answers are made from."""

    @property
    def complete(self) -> bool:
        """Whether a name that is not known does not exist. False while a source has not reported."""

    @property
    def serial(self) -> int:
        """Grows with each change."""

    def service(self, name: ServiceName) -> Service | None: ...

    def has_namespace(self, namespace: str, imported: bool) -> bool: ...

    def at(self, address: str) -> Collection[ServiceName]:
        """The services with this virtual IP or endpoint."""


class Addresses:
    """Which services have an address, as a virtual IP or as that of an endpoint."""

    def __init__(self) -> None:
        self._named = Index[str, ServiceName]()
        self._of = dict[ServiceName, Service]()

    def put(self, name: ServiceName, service: Service | None) -> None:
        """Take note of what a service is now. None if it is gone."""
        before = self._of.pop(name, None)
        old, new = _addresses(before), _addresses(service)
        for address in old - new:
            self._named.discard(address, name)
        self._named.add_to_each(new - old, name)
        if service is not None:
            self._of[name] = service

    def at(self, address: str) -> Collection[ServiceName]:
        return self._named.at(address)


def _addresses(service: Service | None) -> set[str]:
    if service is None:
        return set()
    return {*service.spec.vips, *(endpoint.address for endpoint in service.endpoints)}


class InForce:
    """What the catalogue serves, as EDS and as DNS."""

    def __init__(self, catalogue: Catalogue, complete: Callable[[], bool], serial: Callable[[], int]) -> None:
        self._catalogue, self._complete, self._serial = catalogue, complete, serial
        self._addresses = Addresses()

    @classmethod
    def of(cls, registry: Registry, catalogue: Catalogue) -> InForce:
        """What is served now. Before all is loaded, any name may yet exist."""

        def complete() -> bool:
            return catalogue.knowledge.begun and not registry.unsynced

        return cls(catalogue, complete, lambda: registry.revisions.published)

    @property
    def complete(self) -> bool:
        return self._complete()

    @property
    def serial(self) -> int:
        return self._serial() & 0xFFFF_FFFF

    def service(self, name: ServiceName) -> Service | None:
        found = self._catalogue.directory.get(name)
        return found.service if found is not None else None

    def has_namespace(self, namespace: str, imported: bool) -> bool:
        for name in self._catalogue.directory.after(ServiceName(namespace, "")):
            if name.namespace != namespace:
                return False
            if name.imported == imported:
                return True
        return False

    def at(self, address: str) -> Collection[ServiceName]:
        return self._addresses.at(address)

    def follow(self, names: Iterable[ServiceName]) -> None:
        """Take note of the addresses of services that have changed."""
        for name in names:
            self._addresses.put(name, self.service(name))
