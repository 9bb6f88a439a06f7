"""The merged, current view of every service from every source."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from pilothouse.damping import Damping
from pilothouse.dirty import DirtySet
from pilothouse.guard import Guard, believe
from pilothouse.model import Service, ServiceName


class Registry:
    """Each source owns a shard and can change only that; readers see the merge.

    Sources are given in order of precedence: of several that know a service, the first defines it.
    Endpoints are not united across sources, because two registries rarely mean the same by health.
    """

    def __init__(
        self, sources: Sequence[str], guard: Guard = believe, damping: Damping | None = None
    ) -> None:
        self._shards: dict[str, dict[ServiceName, Service]] = {source: {} for source in sources}
        self._unsynced = set(sources)
        self._synced = asyncio.Event()
        self._guard = guard
        self._damping = damping
        self._services: dict[ServiceName, Service] = {}
        #: Services that were created, changed or removed since the last `take`.
        self.changed: DirtySet[ServiceName] = DirtySet()

    @property
    def services(self) -> Mapping[ServiceName, Service]:
        return MappingProxyType(self._services)

    @property
    def unsynced(self) -> frozenset[str]:
        """The sources that have not reported yet."""
        return frozenset(self._unsynced)

    def count(self, source: str) -> int:
        """How many services a source reports."""
        return len(self._shards[source])

    async def until_synced(self) -> None:
        """Wait until every source has reported once: from then on absence means absence."""
        if self._unsynced:
            await self._synced.wait()

    def shard(self, source: str) -> Shard:
        """The sink for one source."""
        return Shard(self, source)

    def replace(self, source: str, services: Iterable[Service]) -> None:
        before = self._shards[source]
        after = dict(self._guard(source, before, {service.name: service for service in services}))
        self._shards[source] = after
        self._merge([name for name in before.keys() | after.keys() if before.get(name) != after.get(name)])
        self._unsynced.discard(source)
        if not self._unsynced:
            self._synced.set()

    def update(self, source: str, name: ServiceName, service: Service | None) -> None:
        shard = self._shards[source]
        if shard.get(name) == service:
            return
        if service is None:
            del shard[name]
        else:
            shard[name] = service
        self._merge([name])

    def _merge(self, names: Iterable[ServiceName]) -> None:
        changed = []
        for name in names:
            merged = next((shard[name] for shard in self._shards.values() if name in shard), None)
            if self._damping is not None:
                merged = self._damped(self._damping, name, merged)
            if merged == self._services.get(name):
                continue
            changed.append(name)
            if merged is None:
                del self._services[name]
            else:
                self._services[name] = merged
        self.changed.mark(changed)

    def _damped(self, damping: Damping, name: ServiceName, merged: Service | None) -> Service | None:
        if merged is None:
            damping.forget(name)
            return None
        loop = asyncio.get_running_loop()
        found, again = damping.damped(merged, loop.time())
        if again is not None:
            loop.call_at(again, self._merge, [name])
        return found


class Shard:
    """The sink that is handed to one source: it can write nowhere else."""

    def __init__(self, registry: Registry, source: str) -> None:
        self._registry = registry
        self._source = source

    def replace(self, services: Iterable[Service]) -> None:
        self._registry.replace(self._source, services)

    def put(self, service: Service) -> None:
        self._registry.update(self._source, service.name, service)

    def remove(self, name: ServiceName) -> None:
        self._registry.update(self._source, name, None)
