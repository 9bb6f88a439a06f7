"""What a client does with a load assignment: the share of the requests that each endpoint gets.

Read from the encoded message, so it is what the client was sent. The arithmetic is Envoy's with the settings
of our clusters: weights of localities count, and there is no panic mode.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from google.protobuf.any_pb2 import Any

from pilothouse._pb.envoy.config.core.v3.health_check_pb2 import HealthStatus
from pilothouse._pb.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from pilothouse.encoding.resources import Resource
from pilothouse.model.services import Locality
from pilothouse.structures.turns import Steps

#: In percent: how much more load than its share a priority, or a locality, is trusted to take.
OVERPROVISIONING = 140

_STEP = 100  # endpoints in a step


class Target(NamedTuple):
    """An endpoint of a load assignment. `share` is its part of the requests, from 0 to 1.

    `health` is Envoy's name for it. `of_locality` is the weight of its locality.
    """

    address: str
    port: int
    health: str
    weight: int
    locality: Locality
    priority: int
    of_locality: int
    share: float = 0.0

    @property
    def healthy(self) -> bool:
        return self.health == "HEALTHY"

    @property
    def counted(self) -> bool:
        """Whether Envoy counts it at all. It counts what drains neither way."""
        return self.health != "DRAINING"


class Health(NamedTuple):
    """How many of some endpoints are healthy, of those that Envoy counts.

    `trusted` is the part of a full load that this can take, from 0 to 1.
    """

    healthy: int
    counted: int
    trusted: float


class Place(NamedTuple):
    """The endpoints of one locality at one priority. `share` is their part of the requests, from 0 to 1."""

    priority: int
    locality: Locality
    weight: int
    health: Health
    share: float

    @property
    def effective(self) -> float:
        """Its weight, less what has failed of it."""
        return self.weight * self.health.trusted


class Level(NamedTuple):
    """One priority. `load` is the part of the requests that it takes, from 0 to 1."""

    health: Health
    load: float


class Shared(NamedTuple):
    """The endpoints with their shares, and how these come about."""

    targets: tuple[Target, ...]
    priorities: Mapping[int, Level]
    places: tuple[Place, ...] = ()
    overprovisioning: int = OVERPROVISIONING


def shared(resource: Resource) -> Steps[Shared]:
    """The endpoints of a load assignment, with the shares that Envoy gives them."""
    message = ClusterLoadAssignment.FromString(Any.FromString(resource.any).value)
    yield
    found: list[Target] = []
    for group in message.endpoints:
        locality = Locality(group.locality.region, group.locality.zone, group.locality.sub_zone)
        for one in group.lb_endpoints:
            address = one.endpoint.address.socket_address
            found.append(
                Target(
                    address.address,
                    address.port_value,
                    HealthStatus.Name(one.health_status),
                    one.load_balancing_weight.value,
                    locality,
                    group.priority,
                    group.load_balancing_weight.value,
                )
            )
            if len(found) % _STEP == 0:
                yield
    factor = message.policy.overprovisioning_factor.value or OVERPROVISIONING
    priorities = _priorities(found, factor)
    yield
    places = _places(found, priorities, factor)
    yield
    return Shared(tuple((yield from _weighed(found, places))), priorities, tuple(places.values()), factor)


def _priorities(targets: Sequence[Target], factor: int) -> dict[int, Level]:
    """The load of each priority: as much as its health allows, and the rest goes to the next."""
    numbers = sorted({each.priority for each in targets})
    health = {number: _health([t for t in targets if t.priority == number], factor) for number in numbers}
    total = min(1.0, sum(each.trusted for each in health.values()))
    left, found = 1.0 if total else 0.0, dict[int, Level]()
    for number in numbers:
        load = min(left, health[number].trusted / total) if total else 0.0
        found[number] = Level(health[number], load)
        left -= load
    return found


def _health(targets: Sequence[Target], factor: int) -> Health:
    counted = [each for each in targets if each.counted]
    healthy = sum(each.healthy for each in counted)
    trusted = min(1.0, factor / 100 * healthy / len(counted)) if counted else 0.0
    return Health(healthy, len(counted), trusted)


def _places(
    targets: Sequence[Target], levels: Mapping[int, Level], factor: int
) -> dict[tuple[int, Locality], Place]:
    """The localities of each priority. They divide its load by their effective weights."""
    groups: defaultdict[tuple[int, Locality], list[Target]] = defaultdict(list)
    for each in targets:
        groups[each.priority, each.locality].append(each)
    found = {
        (priority, locality): Place(priority, locality, group[0].of_locality, _health(group, factor), 0.0)
        for (priority, locality), group in groups.items()
    }
    whole: defaultdict[int, float] = defaultdict(float)
    for place in found.values():
        whole[place.priority] += place.effective
    return {
        at: each._replace(share=levels[each.priority].load * each.effective / whole[each.priority])
        if whole[each.priority]
        else each
        for at, each in found.items()
    }


def _weighed(targets: Sequence[Target], places: Mapping[tuple[int, Locality], Place]) -> Steps[list[Target]]:
    healthy: defaultdict[tuple[int, Locality], int] = defaultdict(int)
    for each in targets:
        healthy[each.priority, each.locality] += each.weight * each.healthy
    weighed: list[Target] = []
    for count, each in enumerate(targets):
        at = each.priority, each.locality
        part = each.weight / healthy[at] if each.healthy and healthy[at] else 0.0
        weighed.append(each._replace(share=places[at].share * part))
        if count % _STEP == 0:
            yield
    return weighed
