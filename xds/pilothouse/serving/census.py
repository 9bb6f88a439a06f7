"""Counts, by reason, what is left out for every client. Only services that have changed are counted again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from pilothouse.mesh.audience import ANYBODY, Audience
from pilothouse.model.reasons import OF_CLIENTS, Omission, Reason
from pilothouse.model.services import Service, ServiceName
from pilothouse.serving.catalogue import Catalogue

_NOTHING: Mapping[Reason, int] = {}


class Census:
    """The counts. Pure: the caller decides when to count. To count a service costs one translation of it."""

    def __init__(self, catalogue: Catalogue, services: Mapping[ServiceName, Service]) -> None:
        self._catalogue, self._services = catalogue, services
        # Only services of which something is left out have an entry.
        self._counts: dict[ServiceName, Counter[Reason]] = {}
        self.by_reason: Counter[Reason] = Counter()

    def of(self, name: ServiceName) -> Iterable[tuple[Reason, int]]:
        """What is left out of one service, counted by reason."""
        return self._counts.get(name, _NOTHING).items()

    def count(self, name: ServiceName) -> None:
        """Count what is left out of a service now. Nothing is, if the service is gone."""
        service = self._services.get(name)
        omissions = left_out(self._catalogue, service) if service else ()
        counts = Counter(omission.reason for omission in omissions)
        self.by_reason.subtract(self._counts.pop(name, {}))
        self.by_reason.update(counts)
        if counts:
            self._counts[name] = counts


def left_out(catalogue: Catalogue, service: Service) -> Iterator[Omission]:
    """What of a service is left out for all clients that may know of it, wherever they are."""
    exported_to = service.spec.exported_to
    client = Audience(namespace=min(exported_to)) if exported_to else ANYBODY
    for omission in catalogue.omissions(service, client):
        if omission.reason not in OF_CLIENTS:
            yield omission
