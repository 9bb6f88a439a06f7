"""What is in force of a service that several sources know, and which of them said it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from pilothouse.model.services import Endpoint, Service, State, ordered


class Origin(NamedTuple):
    """Who says something: a source, and the cluster that it reads, if it is one of several."""

    source: str
    cluster: str = ""


class Said(NamedTuple):
    """A service as one source has it."""

    origin: Origin
    service: Service


@dataclass(frozen=True, slots=True)
class Contribution:
    """The endpoints of a service that are in force because of one source. The first one's spec is, too."""

    origin: Origin
    service: Service
    endpoints: tuple[Endpoint, ...]


class Merging(Protocol):
    """Chooses among sources. What it is told comes in their order of precedence, and is of one service."""

    def choose(self, said: Sequence[Said]) -> Sequence[Contribution]:
        """What is in force; nothing only if nobody said anything."""


class FirstWins:
    """The first source that knows a service defines it: two registries rarely mean the same by health."""

    def choose(self, said: Sequence[Said]) -> Sequence[Contribution]:
        return [Contribution(*one, one.service.endpoints) for one in said[:1]]


#: Unless whoever builds a registry chooses otherwise.
FIRST_WINS = FirstWins()


class Union:
    """The first source defines a service, and all of them say where it runs.

    Of an endpoint that several have, address and ports, the first source's is in force.
    """

    def choose(self, said: Sequence[Said]) -> Sequence[Contribution]:
        known: set[tuple[object, ...]] = set()
        return [Contribution(*one, tuple(_unknown(one.service, known))) for one in said]


class Tiers:
    """The first source defines a service; the first tier that has an endpoint to call says where it runs.

    A tier is some sources whose endpoints are united. What is in no tier is in a last one. While no tier has
    an endpoint to call, the first one counts that knows the service.
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
    """The service that these make up."""
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
