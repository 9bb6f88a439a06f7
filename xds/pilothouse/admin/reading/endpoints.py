"""The endpoints: whether they are called, and why not; for one client, with their priorities and shares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice

from pilothouse.admin.api import views
from pilothouse.admin.api.inquiry import Mistaken
from pilothouse.admin.reading.clients import Asking
from pilothouse.admin.reading.proxies import place
from pilothouse.admin.reading.services import Parts, missing, named, why
from pilothouse.admin.reading.shares import assigned
from pilothouse.mesh.audience import Audience
from pilothouse.mesh.visibility import Visibility
from pilothouse.model.reasons import Omission
from pilothouse.model.services import Endpoint, Port, Service, ServiceName
from pilothouse.serving.census import viewer
from pilothouse.structures.turns import Steps, in_turns
from pilothouse.structures.written import quoted
from pilothouse.translate.endpoints.verdicts import called, verdicts
from pilothouse.translate.names import cluster_name, mesh_ports

_TURN_S = 0.002


async def rows(parts: Parts, who: Asking | None, service: str, limit: int, after: str) -> views.EndpointList:
    """The endpoints of one service, or of all; as one client has them, if there is one. Raises Missing."""
    first, skipped = _cursor(after)
    if service:
        wanted = named(service)
        if parts.service(wanted) is None:
            raise await missing(parts, wanted)
        names: Iterable[ServiceName] = (wanted,) if wanted >= first else ()
    else:
        here = (first,) if after and parts.service(first) else ()
        names = chain(here, islice(parts.names(first), limit + 1))
    begins = {first: skipped}
    services = ((each, begins.get(name, 0)) for name in list(names) if (each := parts.service(name)))
    found = await in_turns(_of_services(parts, who, services, limit + 1), _TURN_S)
    return _page(found, who, limit, first, skipped)


def _cursor(after: str) -> tuple[ServiceName, int]:
    if not after:
        return ServiceName("", ""), 0
    name, hash, count = after.rpartition("#")
    if not (hash and count.isascii() and count.isdigit() and len(count) < 10):
        raise Mistaken(f"after: must be the `next` of the page before, not {quoted(after)}")
    return named(name, "after"), int(count)


def _page(
    found: list[views.EndpointRow], who: Asking | None, limit: int, first: ServiceName, skipped: int
) -> views.EndpointList:
    items, asked_by, more = tuple(found[:limit]), who.view if who else None, None
    if len(found) > limit:
        last = items[-1].service
        count = sum(each.service == last for each in items) + (skipped if last == str(first) else 0)
        more = f"{last}#{count}"
    return views.EndpointList(items, more, asked_by)


def _of_services(
    parts: Parts, who: Asking | None, services: Iterable[tuple[Service, int]], most: int
) -> Steps[list[views.EndpointRow]]:
    """The first endpoints of these services, of each from this one on."""
    found: list[views.EndpointRow] = []
    for service, begin in services:
        found += yield from _of(parts, who, service, service.endpoints[begin : begin + most - len(found)])
        if len(found) == most:
            break
    return found


def _of(
    parts: Parts, who: Asking | None, service: Service, shown: Sequence[Endpoint]
) -> Steps[list[views.EndpointRow]]:
    """Some endpoints of a service, each with why it is not called at each port, and what it gets there."""
    client = who.audience if who else viewer(service.spec)
    facet = client.endpoint_facet.of(service.name, client.scope)
    said: dict[Port, list[Omission | None]] = {}
    shares: list[list[views.ShareView]] = [[] for _ in shown]
    for port in mesh_ports(service.spec) if shown else ():
        said[port] = yield from verdicts(service, port, facet, shown)
        if who is not None:
            found = yield from assigned(who.world, cluster_name(service.spec, port))
            for each, endpoint in zip(shares, shown, strict=True):
                each.append(found.share(endpoint, port))
    hidden = _hidden(parts, client, service) if shown else None
    rows: list[views.EndpointRow] = []
    for index, endpoint in enumerate(shown):
        reasons = {port: hidden or found[index] for port, found in said.items()}
        rows.append(_row(service.name, endpoint, reasons, shares[index]))
        yield
    return rows


def _hidden(parts: Parts, client: Audience, service: Service) -> Omission | None:
    """Why the client knows nothing of the service. None if it knows of it."""
    directory = parts.catalogue.directory
    if directory.get(service.name) and directory.sees(client.scope, Visibility.of(service.spec)):
        return None
    return next(iter(parts.catalogue.omissions(service, client)), None)


def _row(
    name: ServiceName,
    endpoint: Endpoint,
    verdicts: Mapping[Port, Omission | None],
    shares: Sequence[views.ShareView],
) -> views.EndpointRow:
    lost = [each for each in verdicts.values() if each is not None]
    return views.EndpointRow(
        service=str(name),
        address=endpoint.address,
        ports={name or "-": number for name, number in endpoint.ports if number is not None},
        state=endpoint.state.value,
        weight=endpoint.weight,
        locality=place(endpoint.locality),
        called=called(lost, len(verdicts)),
        reasons=tuple(why(each) for each in dict.fromkeys(lost)),
        on_node=endpoint.node or None,
        workload=endpoint.workload or None,
        shares=tuple(shares),
    )
