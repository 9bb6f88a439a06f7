"""Groups of endpoints that are alike for every client, and the health status of each endpoint."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from pilothouse._pb.envoy.config.core.v3.health_check_pb2 import HealthStatus
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import Endpoint, Locality, Placement, Prefer, State
from pilothouse.translate.endpoints.members import Member, written

# Looked up once, because protobuf's enum wrappers and the enums of Python 3.11 search at each access.
_HEALTHY, _UNHEALTHY, DRAINING = HealthStatus.HEALTHY, HealthStatus.UNHEALTHY, HealthStatus.DRAINING
_READY, SAME_NODE = State.READY, Prefer.SAME_NODE


class Traits(NamedTuple):
    """The properties, beside the locality, by which clients may prefer some endpoints to others."""

    node: str = ""
    for_zones: tuple[str, ...] = ()
    for_nodes: tuple[str, ...] = ()
    ready: bool = True


COMMON = Traits()


#: Endpoints of equal kind are alike for every client.
Kind: TypeAlias = tuple[Locality, Traits]

#: The endpoints of one kind.
Group: TypeAlias = tuple[Locality, Traits, list[Member]]


class Grouped(NamedTuple):
    """Endpoints by group, sorted. Endpoints whose state is not in `health_of` are in no group."""

    members: Sequence[Member]
    health_of: Mapping[State, HealthStatus]
    groups: list[Group]

    @property
    def omissions(self) -> Iterator[Omission]:
        """The endpoints that are not called, with reasons. `members` reports those in maintenance already."""
        for address, number, endpoint, _ in self.members:
            if self.health_of.get(endpoint.state) == _HEALTHY or endpoint.state is State.MAINTENANCE:
                continue
            if endpoint.state is State.NOT_READY:
                yield Omission(Reason.NOT_READY, written(address, number))
            else:
                yield Omission(Reason.TERMINATING, written(address, number), endpoint.state.value)


def grouped(members: Sequence[Member], placement: Placement, hinted: bool) -> Grouped:
    """The members in groups, and the health status for each state."""
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
        if key is not last:  # members of one locality mostly follow each other and share the object
            last, held = key, collected.setdefault(key, [])
        held.append(member)
    found = sorted(collected.items())
    if alike:
        groups = [(at, COMMON, held) for at, held in found]
    else:
        groups = [(at, traits, held) for (at, traits), held in found]
    return Grouped(members, health_of, groups)


def hinted(members: Iterable[Member], placement: Placement) -> bool:
    """Whether all ready members have hints (KEP-2433) and hints count. Traffic policy Local ignores hints."""
    found = False
    for _, _, endpoint, _ in members:
        if endpoint.state is _READY:
            if not endpoint.for_zones and not endpoint.for_nodes:
                return False
            found = True
    return found and placement.hints and not placement.local


@lru_cache
def _health_by_state(ready: bool, sticky: bool) -> Mapping[State, HealthStatus]:
    """The health status for each state, if some endpoint is ready or none is. Other states are left out.

    Ready endpoints are HEALTHY. Unready ones are UNHEALTHY, so that Envoy sees the lost capacity. Terminating
    ones are left out, because otherwise each rollout would look like an outage of the locality. If no
    endpoint is ready, those that terminate and still serve are called (KEP-1669), so they are HEALTHY. If
    clients stick to endpoints, those about to go are DRAINING, which Envoy counts neither way.
    """
    found = {State.NOT_READY: _UNHEALTHY}
    if sticky:
        found |= {State.TERMINATING_SERVING: DRAINING, State.MAINTENANCE: DRAINING}
    found[State.READY if ready else State.TERMINATING_SERVING] = _HEALTHY
    return found


def _traits(endpoint: Endpoint, hinted: bool) -> Traits:
    zones, nodes = (endpoint.for_zones, endpoint.for_nodes) if hinted else ((), ())
    return Traits(endpoint.node, zones, nodes, endpoint.state is _READY)
