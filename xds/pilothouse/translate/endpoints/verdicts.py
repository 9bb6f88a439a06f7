"""Which endpoints of a service a client calls at a port, and why not the others. Read from the decisions."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.mesh.audience import EndpointFacet
from pilothouse.model.reasons import Omission
from pilothouse.model.services import Endpoint, Port, Service
from pilothouse.translate.endpoints.candidates import Candidates, candidates
from pilothouse.translate.endpoints.members import ip_or_none, written


def verdicts(service: Service, port: Port, client: EndpointFacet) -> Sequence[Omission | None]:
    """For each endpoint of the service, in order: why it is not called at this port, or later than others.

    None for those that are called first.
    """
    found = candidates(service, port)
    lost = {each.what: each for each in found.members.omissions}
    later = {each.what: each for each in _of_offer(found, client)}
    in_service = {id(endpoint) for _, _, endpoint, _ in found.members.in_service}
    return [
        _first(later if id(endpoint) in in_service else lost, endpoint, port)
        for endpoint in service.endpoints
    ]


def _of_offer(found: Candidates, client: EndpointFacet) -> Sequence[Omission]:
    """The omissions of the endpoints in service."""
    of_members = set(found.members.omissions)
    return [each for each in found.omissions(client) if each not in of_members]


def _first(omissions: dict[str, Omission], endpoint: Endpoint, port: Port) -> Omission | None:
    address = ip_or_none(endpoint.address) or endpoint.address
    numbers = (number or port.target or 0 for name, number in endpoint.ports if name == port.name)
    for what in (endpoint.address, *(written(address, number) for number in numbers)):
        if what in omissions:
            return omissions[what]
    return None
