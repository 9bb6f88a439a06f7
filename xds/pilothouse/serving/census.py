"""Counts, by reason, what is left out for every client, and which endpoints that concerns.

Only services that have changed are counted again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from pilothouse.mesh.audience import ANYBODY, Audience
from pilothouse.model.reasons import OF_CLIENTS, Called, Omission, Reason
from pilothouse.model.services import Port, Service, ServiceName, ServiceSpec
from pilothouse.serving.catalogue import Catalogue
from pilothouse.structures.turns import Steps, at_once
from pilothouse.translate.endpoints.verdicts import called, verdicts
from pilothouse.translate.names import mesh_ports


class _Counts(NamedTuple):
    """Of one service: what is left out; the endpoints that are not called everywhere, and why not."""

    left_out: Counter[Reason]
    called: Counter[Called]
    excluded: Counter[Reason]


_NOTHING = _Counts(Counter(), Counter(), Counter())


class Census:
    """The counts. Pure: the caller decides when to count. To count a service costs one translation of it."""

    def __init__(self, catalogue: Catalogue, services: Mapping[ServiceName, Service]) -> None:
        self._catalogue, self._services = catalogue, services
        # Only services of which something is left out have an entry.
        self._counts: dict[ServiceName, _Counts] = {}
        self.by_reason: Counter[Reason] = Counter()
        #: The endpoints that are called at some ports only, or at none. All others are called.
        self.not_called: Counter[Called] = Counter()
        #: The same endpoints, by the first reason of each.
        self.excluded: Counter[Reason] = Counter()
        #: The services that have endpoints of which none is called.
        self.unserved: dict[ServiceName, None] = {}

    def of(self, name: ServiceName) -> Iterable[tuple[Reason, int]]:
        """What is left out of one service, counted by reason."""
        return self._counts.get(name, _NOTHING).left_out.items()

    def uncalled(self, name: ServiceName) -> int:
        """How many endpoints of a service are not called at any port."""
        return self._counts.get(name, _NOTHING).called["no"]

    def count(self, name: ServiceName) -> None:
        """Count what is left out of a service now. Nothing is, if the service is gone."""
        at_once(self.counting(name))

    def counting(self, name: ServiceName) -> Steps[None]:
        """As `count`, in steps, because a service may have many endpoints."""
        service = self._services.get(name)
        omissions = list(left_out(self._catalogue, service)) if service else []
        yield
        now = _NOTHING
        if service and omissions:
            in_force = self._catalogue.directory.get(name)
            endpoints = yield from _endpoints(in_force.service if in_force else service)
            now = _Counts(Counter(omission.reason for omission in omissions), *endpoints)
        before = self._counts.pop(name, _NOTHING)
        self._add(before, -1)
        self._add(now, 1)
        if omissions:
            self._counts[name] = now
        self.unserved.pop(name, None)
        # Routes may send all requests elsewhere.
        own = service.endpoints if service and not service.spec.routes else ()
        if own and now.called["no"] == len(own):
            self.unserved[name] = None

    def _add(self, counts: _Counts, times: int) -> None:
        for reason, number in counts.left_out.items():
            self.by_reason[reason] += times * number
        for how, number in counts.called.items():
            self.not_called[how] += times * number
        for reason, number in counts.excluded.items():
            self.excluded[reason] += times * number


def left_out(catalogue: Catalogue, service: Service) -> Iterator[Omission]:
    """What of a service is left out for all clients that may know of it, wherever they are."""
    for omission in catalogue.omissions(service, viewer(service.spec)):
        if omission.reason not in OF_CLIENTS:
            yield omission


def answers(service: Service) -> Steps[bool]:
    """Whether any of the service's endpoints is called at any port, or its routes may lead elsewhere."""
    if service.spec.routes:
        return True
    far, _ = yield from _endpoints(service)
    return far["no"] < len(service.endpoints)


def viewer(spec: ServiceSpec) -> Audience:
    """A client that may know of the service, about which nothing else is known."""
    return Audience(namespace=min(spec.exported_to)) if spec.exported_to else ANYBODY


def _endpoints(service: Service) -> Steps[tuple[Counter[Called], Counter[Reason]]]:
    """The endpoints of a service that are not called at all of its ports; by how far, and by reason."""
    client = viewer(service.spec)
    facet = client.endpoint_facet.of(service.name, client.scope)
    said: dict[Port, Sequence[Omission | None]] = {}
    for port in mesh_ports(service.spec):
        said[port] = yield from verdicts(service, port, facet, service.endpoints)
    far, reasons = Counter[Called](), Counter[Reason]()
    for number, _ in enumerate(service.endpoints):
        lost = [
            each for of_port in said.values() if (each := of_port[number]) and each.reason not in OF_CLIENTS
        ]
        found = called(lost, len(said))
        if found != "yes":
            far[found] += 1
            reasons[lost[0].reason if lost else _without_ports(service)] += 1
    return far, reasons


def _without_ports(service: Service) -> Reason:
    """Why no endpoint is called, if there is no port at which to call it."""
    return Reason.UNSUPPORTED_TRANSPORT if service.spec.ports else Reason.NO_PORTS
