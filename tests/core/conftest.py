from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from pilothouse.catalogue import Catalogue
from pilothouse.changes import Change
from pilothouse.model import Endpoint, Port, Service, ServiceName, ServiceSpec


@pytest.fixture
def make_service() -> Callable[..., Service]:
    """A service such as a source would report: `make_service("shop/payments", "10.0.0.1", ...)`."""

    def make(name: str, *addresses: str, **spec: Any) -> Service:
        namespace, _, plain = name.partition("/")
        fields = {"ports": (Port("http", 8080),), "hostname": f"{plain}.{namespace}.svc.cluster.local"} | spec
        endpoints = tuple(Endpoint(address, (("http", 8080),)) for address in addresses)
        return Service(ServiceSpec(ServiceName(namespace, plain), **fields), endpoints)

    return make


class Town:
    """A catalogue and the services that are in force, kept together."""

    def __init__(self) -> None:
        self.catalogue = Catalogue()
        self.services: dict[ServiceName, Service] = {}

    def put(self, *services: Service) -> list[Change]:
        self.services |= {service.name: service for service in services}
        return self.catalogue.apply([service.name for service in services], self.services)

    def remove(self, name: ServiceName) -> list[Change]:
        del self.services[name]
        return self.catalogue.apply([name], self.services)


@pytest.fixture
def town() -> Town:
    return Town()


@pytest.fixture
def names_by_type() -> Callable[[list[Change]], Mapping[str, set[str]]]:
    """What changed, by the short name of the type."""

    def collect(changes: list[Change]) -> Mapping[str, set[str]]:
        found: dict[str, set[str]] = {}
        for change in changes:
            for type, names in change.names.items():
                found.setdefault(type.label, set()).update(names)
        return found

    return collect
