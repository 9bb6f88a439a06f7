"""The merged, current view of every service from every source."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple

from pilothouse.model.services import Service, ServiceName
from pilothouse.registry.damping import Damping
from pilothouse.registry.drains import Drains, Target, covers
from pilothouse.registry.fading import Fading
from pilothouse.registry.guard import WINDOW_S, Guard, Hold, callable_endpoints, gained, reduced
from pilothouse.registry.merging import FIRST_WINS, Contribution, Merging, Origin, Said
from pilothouse.registry.merging import merged as combined
from pilothouse.registry.revisions import Revisions
from pilothouse.registry.shard import Shard
from pilothouse.registry.virtual_ips import VirtualIps
from pilothouse.sources import HOLD_S, NOTHING, UNSTATED, Cause, Unknown
from pilothouse.structures.dirty import DirtySet
from pilothouse.structures.turns import Steps

# The places of changes that no report has caused.
_KEPT = Cause("kept by an earlier process")
_RELEASED = Cause("the end of a hold")
_CALM = Cause("the end of damping")
# The source of what an operator changes.
OPERATOR = "operator"
# The source of addresses that services were given.
ADDRESSES = "virtual-ips"
_STEP = 50  # services that are looked at in a step
_DOUBTED = Cause("too many endpoints that are not ready any more")


class Declared(NamedTuple):
    """What has changed a service last: the source, the place in its backend, and when (Unix seconds)."""

    source: str
    place: str
    at: float


@dataclass(slots=True)
class _Shard:
    """What one source reports, and what of it is in force. While a loss is held, more is in force."""

    origin: Origin
    guard: Guard
    reported: dict[ServiceName, Service] = field(default_factory=dict)
    in_force: dict[ServiceName, Service] = field(default_factory=dict)
    synced: bool = False
    unknown: Unknown = NOTHING
    hold: Hold | None = None
    held: set[ServiceName] = field(default_factory=set)  # those names of the hold that have not come back
    fading: Fading = field(default_factory=Fading)
    callable: int = 0  # endpoints in the report that can be called
    release: asyncio.TimerHandle | None = None


class Registry:
    """The merged view. Each source has a shard and can change only that one. Readers see the merge.

    Sources are in order of precedence. An Origin also names the cluster that the source reads, if there are
    several clusters. If several sources know a service, `merging` chooses; by default the first source wins.

    If a report implies a massive loss, the loss is held for `hold_s` seconds. With `accept_missing`, whatever
    cannot be read counts as absent.
    """

    def __init__(
        self,
        sources: Sequence[str | Origin],
        *,
        hold_s: float = HOLD_S,
        accept_missing: bool = False,
        damping: Damping | None = None,
        merging: Merging = FIRST_WINS,
    ) -> None:
        self._merging, self._hold_s = merging, hold_s
        origins = [Origin(source) if isinstance(source, str) else source for source in sources]
        self._shards = {origin.source: _Shard(origin, Guard(hold_s)) for origin in origins}
        self._accept_missing = accept_missing
        self._synced = asyncio.Event()
        self._damping = damping
        #: The addresses of services that have none of their own; None if they get none. To be set before
        #: sources report.
        self.virtual_ips: VirtualIps | None = None
        #: What an operator has taken out of service. To be changed before `redrained` is called.
        self.drains = Drains()
        self._services: dict[ServiceName, Service] = {}
        self._declared: dict[ServiceName, Declared] = {}
        #: The number of endpoints of all services.
        self.endpoints = 0
        #: Services that were created, changed or removed since the last `take`.
        self.changed: DirtySet[ServiceName] = DirtySet()
        #: The change of each report, followed until the last client has answered it.
        self.revisions = Revisions()

    @property
    def sources(self) -> Iterable[str]:
        """The names of the sources, in order of precedence."""
        return self._shards.keys()

    @property
    def services(self) -> Mapping[ServiceName, Service]:
        return MappingProxyType(self._services)

    @property
    def unsynced(self) -> frozenset[str]:
        """The sources that have not reported yet."""
        return frozenset(source for source, shard in self._shards.items() if not shard.synced)

    @property
    def complete(self) -> bool:
        """Whether absence means absence: every source has reported, and none has anything unknown."""
        return self._accept_missing or all(
            shard.synced and not shard.unknown.places for shard in self._shards.values()
        )

    def count(self, source: str) -> int:
        """The number of a source's services in force."""
        return len(self._shards[source].in_force)

    def declared(self, name: ServiceName) -> Declared | None:
        """What has changed a service last. None if there is no such service."""
        return self._declared.get(name)

    def provenance(self, name: ServiceName) -> Sequence[Contribution]:
        """Which sources contribute to a service, the one that defines it first.

        Neither drains nor damping are applied.
        """
        shards = self._shards.values()
        said = [Said(shard.origin, shard.in_force[name]) for shard in shards if name in shard.in_force]
        return self._merging.choose(said)

    def having(self, targets: Iterable[Target]) -> Steps[list[ServiceName]]:
        """The services that have an endpoint which one of these drains is about."""
        wanted = [*targets]
        stated = {target.service for target in wanted if target.service in self._services}
        anywhere = [target for target in wanted if target.service is None]
        found = {name: None for name in stated if name is not None}
        for count, service in enumerate([*self._services.values()] if anywhere else ()):
            if any(covers(target, service.name, each) for each in service.endpoints for target in anywhere):
                found[service.name] = None
            if count % _STEP == 0:
                yield
        return list(found)

    def redrained(self, names: Iterable[ServiceName], cause: Cause) -> None:
        """The drains of these services have changed."""
        self._merge([name for name in names if name in self._services], OPERATOR, cause)

    def readdressed(self, names: Iterable[ServiceName], cause: Cause) -> None:
        """These services have other virtual IPs, or lack them for another reason."""
        self._merge([name for name in names if name in self._services], ADDRESSES, cause)

    def release(self, source: str, cause: Cause) -> None:
        """Believe the loss that is held of a source, as if its hold had ended."""
        self._release(self._shards[source], cause)

    def prolong(self, source: str) -> None:
        """Hold the loss of a source for another `hold_s` seconds from now, or until it is back."""
        shard = self._shards[source]
        assert shard.hold is not None, "only a hold can be prolonged"
        held = set(shard.held)
        self._hold(shard, replace(shard.hold, until=time.monotonic() + self._hold_s))
        shard.held = held

    def supposing(
        self, source: str, services: Mapping[ServiceName, Service | None]
    ) -> dict[ServiceName, Service | None]:
        """What would be in force if a source reported these services. Neither guard nor damping counts."""
        found: dict[ServiceName, Service | None] = {}
        for name, supposed in services.items():
            said = [
                Said(shard.origin, service)
                for shard in self._shards.values()
                if (service := supposed if shard.origin.source == source else shard.in_force.get(name))
            ]
            merged = combined(self._merging.choose(said))
            found[name] = self.drains.supposed(merged)[0] if merged is not None else None
        if self.virtual_ips is None:
            return found
        return dict(zip(found, self.virtual_ips.supposed(found.values()), strict=True))

    def held(self, source: str) -> Hold | None:
        """The loss of a source that is not believed yet. Services that are back are no part of it."""
        shard = self._shards[source]
        if shard.hold is None or (len(shard.held) == len(shard.hold.names) and not shard.fading):
            return shard.hold
        return reduced(shard.hold, shard.held, shard.in_force, shard.reported)

    def unknown(self, source: str) -> Unknown:
        """What a source cannot read, and has no good version of."""
        return self._shards[source].unknown

    @property
    def partial(self) -> frozenset[ServiceName]:
        """The services that may have more endpoints than are known."""
        return frozenset().union(*(shard.unknown.services for shard in self._shards.values()))

    async def until_synced(self) -> None:
        """Wait until every source has reported once."""
        if self.unsynced:
            await self._synced.wait()

    def shard(self, source: str) -> Shard:
        """The sink for one source."""
        return Shard(self, source)

    def restore(self, source: str, services: Iterable[Service]) -> None:
        shard = self._shards[source]
        if not shard.synced:
            self._note(shard, services)
            self._enforce(shard, shard.reported, _KEPT)

    def replace(
        self, source: str, services: Iterable[Service], suspect: bool = False, cause: Cause = UNSTATED
    ) -> None:
        shard, complete = self._shards[source], self.complete
        self._note(shard, services)
        held = self.held(source)
        suspect = suspect or held is not None
        verdict = shard.guard.judge(shard.in_force, shard.reported, time.monotonic(), suspect, held)
        self._hold(shard, verdict.hold)
        self._enforce(shard, verdict.in_force, cause)
        for name, place in cause.places.items():  # also of what has not changed since an earlier process
            if (known := self._declared.get(name)) and known.source == source:
                self._declared[name] = known._replace(place=place)
        shard.synced = True
        if not self.unsynced:
            self._synced.set()
        self._tell_if_completed(complete)

    def update(
        self,
        source: str,
        name: ServiceName,
        service: Service | None,
        cause: Cause = UNSTATED,
        observed: bool = False,
    ) -> None:
        shard = self._shards[source]
        before = shard.reported.get(name)
        shard.callable += callable_endpoints(service) - callable_endpoints(before)
        if service is None:
            shard.guard.removed(name)
            shard.reported.pop(name, None)
        else:
            shard.reported[name] = service
        shard.fading.note(name, before if observed else None, service, time.monotonic())
        if service is not None:
            service = self._undimmed(shard, service)
        if shard.held and service == shard.reported.get(name):
            shard.held.discard(name)  # it is back, or was removed explicitly
            if not shard.held:
                self._hold(shard, None)
        if shard.in_force.get(name) == service:
            return
        if service is None:
            del shard.in_force[name]
        else:
            shard.in_force[name] = service
        self._merge([name], source, cause)

    def _undimmed(self, shard: _Shard, service: Service) -> Service:
        """What is to be in force of a service: more than was reported, if too much has faded at once."""
        now = time.monotonic()
        if shard.hold is None:
            shard.fading.expire(now - WINDOW_S)
            hold = shard.guard.doubts(shard.fading, shard.callable, now)
            if hold is None:
                return service
            self._hold(shard, hold)
            undone = {name: shard.fading.undone(shard.reported[name]) for name in shard.fading}
            self._enforce(shard, {**shard.in_force, **undone}, _DOUBTED)
        found = shard.fading.undone(service)
        if found is not service and shard.hold is not None:
            shard.hold = replace(shard.hold, names=shard.hold.names | {service.name})
            shard.held.add(service.name)
        return found

    @contextmanager
    def together(self, source: str) -> Iterator[None]:
        # Both, so that the revision is noted before a reader can take its names.
        with self.changed.together(), self.revisions.together(source):
            yield

    def reconsider(self, name: ServiceName, source: str, cause: Cause) -> None:
        """Have a service published again that no source of services has changed, for what `source` says."""
        self.revisions.note(source, cause, [name])
        self.changed.mark([name])

    def state_unknown(self, source: str, unknown: Unknown) -> None:
        self._shards[source].unknown = NOTHING if self._accept_missing else unknown
        self.changed.touch()

    def _note(self, shard: _Shard, services: Iterable[Service]) -> None:
        """This is what the source says now."""
        before, shard.reported = shard.reported, {service.name: service for service in services}
        shard.callable += gained(before, shard.reported)

    def _tell_if_completed(self, before: bool) -> None:
        if self.complete != before:
            self.changed.touch()

    def _hold(self, shard: _Shard, hold: Hold | None) -> None:
        """Begin a hold, which ends by itself, or end the present one (None)."""
        if shard.release is not None:
            shard.release.cancel()
            shard.release = None
        if hold != shard.hold:
            self.changed.touch()
        shard.hold, shard.held = hold, set(hold.names if hold else ())
        if hold is not None:
            remaining = max(0.0, hold.until - time.monotonic())
            shard.release = asyncio.get_running_loop().call_later(remaining, self._release, shard)

    def _release(self, shard: _Shard, cause: Cause = _RELEASED) -> None:
        """The hold has lasted long enough. The report is believed now."""
        self._hold(shard, None)
        shard.fading.clear()
        shard.guard.believed(shard.reported, time.monotonic())
        self._enforce(shard, shard.reported, cause)

    def _enforce(self, shard: _Shard, services: Mapping[ServiceName, Service], cause: Cause) -> None:
        before, after = shard.in_force, dict(services)
        shard.in_force = after
        names = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
        self._merge(names, shard.origin.source, cause)

    def _merge(self, names: Iterable[ServiceName], source: str, cause: Cause) -> None:
        changed, now, pending = [], time.time(), [*names]
        for name in pending:
            merged = self._undrained(name)
            if self._damping is not None:
                merged = self._damped(self._damping, name, merged, source)
            if self.virtual_ips is not None:
                merged = self.virtual_ips.applied(name, merged)
                pending += self.virtual_ips.displaced()
            before = self._services.get(name)
            if merged == before:
                continue
            changed.append(name)
            self.endpoints += _endpoints(merged) - _endpoints(before)
            if merged is None:
                del self._services[name]
                del self._declared[name]
            else:
                self._services[name] = merged
                if source in self._shards:  # neither an operator nor an address declares anything
                    self._declared[name] = Declared(source, cause.place_of(name), now)
        if changed:
            self.revisions.note(source, cause, changed)
        self.changed.mark(changed)

    def _undrained(self, name: ServiceName) -> Service | None:
        """What the shards say of a service, without what is drained of it."""
        merged = combined(self.provenance(name))
        if merged is None:
            self.drains.forget(name)
            return None
        return self.drains.applied(merged)

    def _damped(
        self, damping: Damping, name: ServiceName, merged: Service | None, source: str
    ) -> Service | None:
        if merged is None:
            damping.forget(name)
            return None
        loop = asyncio.get_running_loop()
        found, again = damping.damped(merged, loop.time())
        if again is not None:
            loop.call_at(again, self._merge, [name], source, _CALM)
        return found


def _endpoints(service: Service | None) -> int:
    return len(service.endpoints) if service else 0
