"""The sink of one source: how it writes to the registry."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from pilothouse.model.services import Service, ServiceName
from pilothouse.sources import UNSTATED, Cause, Unknown

if TYPE_CHECKING:
    from pilothouse.registry.merged import Registry


class Shard:
    """The sink of one source. It can write to no other shard."""

    def __init__(self, registry: Registry, source: str) -> None:
        self._registry = registry
        self._source = source

    def restore(self, services: Iterable[Service]) -> None:
        self._registry.restore(self._source, services)

    def replace(self, services: Iterable[Service], suspect: bool = False, cause: Cause = UNSTATED) -> None:
        self._registry.replace(self._source, services, suspect, cause)

    def put(self, service: Service, cause: Cause = UNSTATED, observed: bool = False) -> None:
        self._registry.update(self._source, service.name, service, cause, observed)

    def remove(self, name: ServiceName, cause: Cause = UNSTATED) -> None:
        self._registry.update(self._source, name, None, cause)

    def together(self) -> AbstractContextManager[None]:
        return self._registry.together(self._source)

    def unknown(self, unknown: Unknown) -> None:
        self._registry.state_unknown(self._source, unknown)

    def stale(self, why: str) -> None:
        """What is in force stays so."""
