"""Which endpoints of a service a client calls at a port, and why not the others. Read from the decisions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pilothouse.mesh.audience import EndpointFacet
from pilothouse.model.reasons import Called, Omission, Reason
from pilothouse.model.services import Endpoint, Port, Service
from pilothouse.structures.turns import Steps
from pilothouse.translate.endpoints.candidates import Candidates, candidates
from pilothouse.translate.endpoints.members import ip_or_none, written

_STEP = 50  # endpoints in a step
#: The endpoint is called if others fail.
_LATE = frozenset({Reason.HINT})


def verdicts(
    service: Service, port: Port, client: EndpointFacet, shown: Sequence[Endpoint]
) -> Steps[list[Omission | None]]:
    """For some endpoints of the service: why each is not called at this port, or later than others.

    None for those that are called first. In steps, of which the decision about all endpoints is the longest.
    """
    found = candidates(service, port)
    yield
    lost = yield from _by_name(found.members.omissions)
    later = yield from _by_name(each for each in found.omissions(client) if lost.get(each.what) != each)
    in_service = yield from _ids(found)
    said: list[Omission | None] = []
    for endpoint in shown:
        said.append(_first(later if id(endpoint) in in_service else lost, endpoint, port))
        yield
    return said


def called(lost: Sequence[Omission], ports: int) -> Called:
    """How far an endpoint is called that is left out at some of so many ports, or called later there."""
    if not ports:
        return "no"
    if not lost:
        return "yes"
    if all(each.reason in _LATE for each in lost):
        return "late"
    return "no" if len(lost) == ports else "partly"


def _by_name(omissions: Iterable[Omission]) -> Steps[dict[str, Omission]]:
    found: dict[str, Omission] = {}
    for count, each in enumerate(omissions):
        found[each.what] = each
        if count % _STEP == 0:
            yield
    return found


def _ids(found: Candidates) -> Steps[set[int]]:
    """The identities of the endpoints in service."""
    ids: set[int] = set()
    for count, (_, _, endpoint, _) in enumerate(found.members.in_service):
        ids.add(id(endpoint))
        if count % _STEP == 0:
            yield
    return ids


def _first(omissions: dict[str, Omission], endpoint: Endpoint, port: Port) -> Omission | None:
    address = ip_or_none(endpoint.address) or endpoint.address
    numbers = (number or port.target or 0 for name, number in endpoint.ports if name == port.name)
    for what in (endpoint.address, *(written(address, number) for number in numbers)):
        if what in omissions:
            return omissions[what]
    return None
