"""How much of the registry is left out, by reason, whoever asks: counted anew for what has changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from pilothouse.mesh.audience import ANYBODY, Audience
from pilothouse.model.reasons import OF_CLIENTS, Omission, Reason
from pilothouse.model.services import Service, ServiceName
from pilothouse.serving.catalogue import Catalogue


class Census:
    """Pure: who calls it decides when. Costs one translation of a service each time that it is counted."""

    def __init__(self, catalogue: Catalogue, services: Mapping[ServiceName, Service]) -> None:
        self._catalogue, self._services = catalogue, services
        # Only of services of which something is left out.
        self._counts: dict[ServiceName, Counter[Reason]] = {}
        self.by_reason: Counter[Reason] = Counter()

    def count(self, name: ServiceName) -> None:
        """Count what is left out of a service now; nothing, if it is gone."""
        service = self._services.get(name)
        omissions = left_out(self._catalogue, service) if service else ()
        counts = Counter(omission.reason for omission in omissions)
        self.by_reason.subtract(self._counts.pop(name, {}))
        self.by_reason.update(counts)
        if counts:
            self._counts[name] = counts


def left_out(catalogue: Catalogue, service: Service) -> Iterator[Omission]:
    """What of a service is left out for all who may know of it, wherever they are."""
    exported_to = service.spec.exported_to
    client = Audience(namespace=min(exported_to)) if exported_to else ANYBODY
    for omission in catalogue.omissions(service, client):
        if omission.reason not in OF_CLIENTS:
            yield omission
