"""Endpoints that no client tells apart, in one group; and what is said of the health of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from pilothouse._pb.envoy.config.core.v3.health_check_pb2 import HealthStatus
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import Endpoint, Locality, Placement, Prefer, State
from pilothouse.translate.endpoints.members import Member, written

# Looked up once: protobuf's enum wrappers, and enums of Python 3.11, search for each name anew.
_HEALTHY, _UNHEALTHY, DRAINING = HealthStatus.HEALTHY, HealthStatus.UNHEALTHY, HealthStatus.DRAINING
_READY, SAME_NODE = State.READY, Prefer.SAME_NODE


class Traits(NamedTuple):
    """What clients tell endpoints apart by, beside their locality, where they do."""

    node: str = ""
    for_zones: tuple[str, ...] = ()
    for_nodes: tuple[str, ...] = ()
    ready: bool = True


COMMON = Traits()


#: What no client tells apart.
Kind: TypeAlias = tuple[Locality, Traits]

#: The endpoints of one kind.
Group: TypeAlias = tuple[Locality, Traits, list[Member]]


class Grouped(NamedTuple):
    """Endpoints by group, in order. Those in a state without a health are in none."""

    members: Sequence[Member]
    health_of: Mapping[State, HealthStatus]
    groups: list[Group]

    @property
    def omissions(self) -> Iterator[Omission]:
        """Why some are not called; of those in maintenance it has been said."""
        for address, number, endpoint, _ in self.members:
            if self.health_of.get(endpoint.state) == _HEALTHY or endpoint.state is State.MAINTENANCE:
                continue
            if endpoint.state is State.NOT_READY:
                yield Omission(Reason.NOT_READY, written(address, number))
            else:
                yield Omission(Reason.TERMINATING, written(address, number), endpoint.state.value)


def grouped(members: Sequence[Member], placement: Placement, hinted: bool) -> Grouped:
    """These in groups, and the health that is said of each."""
    ready = any(endpoint.state is _READY for _, _, endpoint, _ in members)
    health_of = _health_by_state(ready, placement.sticky)
    alike = not hinted and placement.prefer is not SAME_NODE
    collected: dict[Any, list[Member]] = {}  # by locality, or by locality and traits
    held: list[Member] = []
    last: object = None
    for member in members:
        endpoint = member[2]
        if endpoint.state not in health_of:
            continue
        key = endpoint.locality if alike else (endpoint.locality, _traits(endpoint, hinted))
        if key is not last:  # those of one locality mostly follow each other, and share it
            last, held = key, collected.setdefault(key, [])
        held.append(member)
    found = sorted(collected.items())
    if alike:
        groups = [(at, COMMON, held) for at, held in found]
    else:
        groups = [(at, traits, held) for (at, traits), held in found]
    return Grouped(members, health_of, groups)


def hinted(members: Iterable[Member], placement: Placement) -> bool:
    """Whether all that is ready has hints (KEP-2433), and they count. Traffic policy Local goes without."""
    found = False
    for _, _, endpoint, _ in members:
        if endpoint.state is _READY:
            if not endpoint.for_zones and not endpoint.for_nodes:
                return False
            found = True
    return found and placement.hints and not placement.local


@lru_cache
def _health_by_state(ready: bool, sticky: bool) -> Mapping[State, HealthStatus]:
    """What is said of endpoints in each state, if one is ready or none is; other states are left out.

    Ready endpoints are HEALTHY, those not ready UNHEALTHY so that the lost capacity shows. Terminating
    ones are left out, or every rollout would look like an outage to the locality's health; but if
    nothing is ready, those that still serve do (KEP-1669), and must then be HEALTHY for Envoy. If
    clients stick to endpoints, what is about to go is DRAINING, which counts neither way.
    """
    found = {State.NOT_READY: _UNHEALTHY}
    if sticky:
        found |= {State.TERMINATING_SERVING: DRAINING, State.MAINTENANCE: DRAINING}
    found[State.READY if ready else State.TERMINATING_SERVING] = _HEALTHY
    return found


def _traits(endpoint: Endpoint, hinted: bool) -> Traits:
    zones, nodes = (endpoint.for_zones, endpoint.for_nodes) if hinted else ((), ())
    return Traits(endpoint.node, zones, nodes, endpoint.state is _READY)
