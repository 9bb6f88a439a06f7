"""Slices, Endpoints and routes whose Service does not exist. They are left out until it does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from pilothouse.kubernetes.objects.types import Endpoints, EndpointSlice, Key, Object, RouteObject, Service
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import ServiceName


class Unattached:
    """What waits for a Service, by the name of that Service. The cost is proportional to the change."""

    def __init__(self) -> None:
        self._waiting: dict[ServiceName, tuple[Omission, ...]] = {}
        self.by_reason: Counter[Reason] = Counter()

    def __iter__(self) -> Iterator[Omission]:
        for name in sorted(self._waiting):
            yield from self._waiting[name]

    def settle(self, name: ServiceName, backings: Collection[Key], routes: Collection[Key]) -> None:
        """Record what waits for a Service now. If the Service exists, nothing does."""
        if not backings and not routes and name not in self._waiting:
            return  # most Services
        why = f"there is no {name.full}"
        of_slices = Reason.IMPORTED if name.imported else Reason.NO_OWNER
        waiting = (
            *(Omission(of_slices, str(key), why) for key in sorted(backings)),
            *(Omission(Reason.NO_SUCH_PARENT, str(key), why) for key in sorted(routes)),
        )
        self.by_reason.subtract(omission.reason for omission in self._waiting.pop(name, ()))
        self.by_reason.update(omission.reason for omission in waiting)
        if waiting:
            self._waiting[name] = waiting


def services_named(found: Object | None) -> Iterator[ServiceName]:
    """The Services that an object is, belongs to, or concerns."""
    if isinstance(found, Service | EndpointSlice | Endpoints):
        yield found.service
    elif isinstance(found, RouteObject):
        for parent in found.parents:
            yield parent.service
