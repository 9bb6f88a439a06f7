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


class Shared(NamedTuple):
    """The endpoints with their shares, and the part of the requests that each priority takes."""

    targets: tuple[Target, ...]
    priorities: Mapping[int, float]
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
    return Shared(tuple((yield from _weighed(found, priorities, factor))), priorities, factor)


def _priorities(targets: Sequence[Target], factor: int) -> dict[int, float]:
    """The load of each priority: as much as its health allows, and the rest goes to the next."""
    numbers = sorted({each.priority for each in targets})
    health = {number: _health([t for t in targets if t.priority == number], factor) for number in numbers}
    total = min(1.0, sum(health.values()))
    left, found = 1.0 if total else 0.0, {}
    for number in numbers:
        found[number] = min(left, health[number] / total) if total else 0.0
        left -= found[number]
    return found


def _health(targets: Sequence[Target], factor: int) -> float:
    counted = [each for each in targets if each.counted]
    healthy = sum(each.healthy for each in counted)
    return min(1.0, factor / 100 * healthy / len(counted)) if counted else 0.0


def _weighed(targets: Sequence[Target], loads: Mapping[int, float], factor: int) -> Steps[list[Target]]:
    places: defaultdict[tuple[int, Locality], list[Target]] = defaultdict(list)
    for each in targets:
        places[each.priority, each.locality].append(each)
    # A locality counts with its weight, less what has failed of it.
    effective = {at: group[0].of_locality * _health(group, factor) for at, group in places.items()}
    of_priority: defaultdict[int, float] = defaultdict(float)
    for (priority, _), weight in effective.items():
        of_priority[priority] += weight
    healthy = {at: sum(each.weight for each in group if each.healthy) for at, group in places.items()}

    def share(each: Target) -> float:
        at = each.priority, each.locality
        if not each.healthy or not of_priority[each.priority] or not healthy[at]:
            return 0.0
        return loads[each.priority] * effective[at] / of_priority[each.priority] * each.weight / healthy[at]

    weighed: list[Target] = []
    for count, each in enumerate(targets):
        weighed.append(each._replace(share=share(each)))
        if count % _STEP == 0:
            yield
    return weighed
