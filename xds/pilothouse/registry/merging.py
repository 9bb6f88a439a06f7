"""Merging policies: which sources define a service that several sources know. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from pilothouse.model.services import Endpoint, Service, State, ordered


class Origin(NamedTuple):
    """Where a report comes from: a source, and the cluster that it reads, if there are several clusters."""

    source: str
    cluster: str = ""


class Said(NamedTuple):
    """A service as one source reports it."""

    origin: Origin
    service: Service


@dataclass(frozen=True, slots=True)
class Contribution:
    """The endpoints that one source adds to a service. The first contribution also gives the spec."""

    origin: Origin
    service: Service
    endpoints: tuple[Endpoint, ...]


class Merging(Protocol):
    """A merging policy. It is given the reports of one service, in order of precedence."""

    def choose(self, said: Sequence[Said]) -> Sequence[Contribution]:
        """The contributions that make up the service. Empty only if no source reports it."""


class FirstWins:
    """The first source that knows a service defines all of it. Two registries rarely agree on health."""

    def choose(self, said: Sequence[Said]) -> Sequence[Contribution]:
        return [Contribution(*one, one.service.endpoints) for one in said[:1]]


#: The default policy.
FIRST_WINS = FirstWins()


class Union:
    """The first source defines a service. The endpoints of all sources are joined.

    If several sources have the same endpoint (address and ports), the first source's is used.
    """

    def choose(self, said: Sequence[Said]) -> Sequence[Contribution]:
        known: set[tuple[object, ...]] = set()
        return [Contribution(*one, tuple(_unknown(one.service, known))) for one in said]


class Tiers:
    """The first source defines a service. The first tier that has a callable endpoint gives the endpoints.

    A tier is a group of sources, whose endpoints are joined. Sources in no tier form a last one. If no tier
    has a callable endpoint, the first tier that knows the service gives the endpoints.
    """

    def __init__(self, *tiers: Iterable[str]) -> None:
        self._tiers = {source: number for number, sources in enumerate(tiers) for source in sources}
        self._last = len(tiers)
        self._union = Union()

    def choose(self, said: Sequence[Said]) -> Sequence[Contribution]:
        if not said:
            return []
        called = [self._tier(one) for one in said if _is_called(one.service)]
        tier = min(called or map(self._tier, said))
        chosen = self._union.choose([one for one in said if self._tier(one) == tier])
        if self._tier(said[0]) == tier:
            return chosen
        return [Contribution(*said[0], ()), *chosen]

    def _tier(self, said: Said) -> int:
        return self._tiers.get(said.origin.source, self._last)


def merged(contributions: Sequence[Contribution]) -> Service | None:
    """The service that the contributions make up."""
    if not contributions:
        return None
    first = contributions[0].service
    if len(contributions) == 1:
        return first
    services = [one.service for one in contributions]
    names = sorted({name for service in services for name in service.spec.hostnames})
    spec = first.spec if tuple(names) == first.spec.hostnames else replace(first.spec, hostnames=tuple(names))
    left_out = tuple(dict.fromkeys(omission for service in services for omission in service.left_out))
    return Service(spec, ordered(each for one in contributions for each in one.endpoints), left_out)


def _unknown(service: Service, known: set[tuple[object, ...]]) -> Iterable[Endpoint]:
    for endpoint in service.endpoints:
        key = endpoint.address, endpoint.ports
        if key not in known:
            yield endpoint
    known.update((endpoint.address, endpoint.ports) for endpoint in service.endpoints)


def _is_called(service: Service) -> bool:
    return any(endpoint.state is State.READY and endpoint.weight > 0 for endpoint in service.endpoints)
