"""Which part of the requests to a cluster a client gives each endpoint, as its load assignment says."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pilothouse.admin.api import views
from pilothouse.encoding.types import ResourceType
from pilothouse.model.services import Endpoint, Port
from pilothouse.serving.world import World
from pilothouse.structures.turns import Steps
from pilothouse.translate.endpoints.targets import Shared, Target, shared


@dataclass(frozen=True, slots=True)
class Assigned:
    """The load assignment of a cluster that a client would get now. Without one, nothing gets a share."""

    shared: Shared
    _targets: Mapping[tuple[str, int], Target]

    def share(self, endpoint: Endpoint, port: Port) -> views.ShareView:
        """What an endpoint gets of the requests to a port of its service."""
        number = number_of(endpoint, port)
        target = None if number is None else self._targets.get((endpoint.address, number))
        if target is None:
            return views.ShareView(port.number, 0.0, endpoint.weight)
        return views.ShareView(port.number, percent(target.share), target.weight, target.priority)

    def only(self, addresses: Collection[str]) -> Assigned:
        """As for a route that chooses some endpoints: they share all requests, at their first priority."""
        chosen = [each for each in self.shared.targets if each.address in addresses and each.healthy]
        first = [each for each in chosen if each.priority == min(one.priority for one in chosen)]
        whole = sum(each.weight for each in first)
        targets = tuple(
            each._replace(share=each.weight / whole if each in first else 0.0) for each in self.shared.targets
        )
        return Assigned(
            self.shared._replace(targets=targets), {(each.address, each.port): each for each in targets}
        )


def assigned(world: World, cluster: str) -> Steps[Assigned]:
    """The load assignment of a cluster in a client's world."""
    resource = world.get(ResourceType.ENDPOINTS, cluster)
    yield
    found = (yield from shared(resource)) if resource is not None else Shared((), {})
    return Assigned(found, {(each.address, each.port): each for each in found.targets})


def number_of(endpoint: Endpoint, port: Port) -> int | None:
    """The number at which an endpoint answers for a port of its service. None if it does not."""
    numbers = (number or port.target or 0 for name, number in endpoint.ports if name == port.name)
    return next(numbers, None)


def percent(share: float) -> float:
    """In percent. Little is not rounded to nothing."""
    return round(100 * share, 2) or float(f"{100 * share:.1g}")
