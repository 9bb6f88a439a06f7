"""The commands that show the services, and their endpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated

import typer

from pilothouse.admin.api.views import (
    EndpointList,
    EndpointRow,
    PortView,
    ServiceList,
    ServiceRow,
    ServiceView,
    ShareView,
    Why,
)
from pilothouse.cli.asking import Admin, every, one, path, place, read
from pilothouse.cli.client import From, Locality, Namespace, client, unsure
from pilothouse.cli.output import As, Format, answer, given, one_line
from pilothouse.cli.tables import amounts, percent, since, table
from pilothouse.model.addresses import is_address

_SHARED = 5  # so many columns come before those that are about one client

Name = Annotated[str | None, typer.Argument(metavar="[SERVICE]", help="One service: NAMESPACE/NAME.")]
Within = Annotated[str | None, typer.Option(metavar="NAME", help="Only services of this namespace.")]
Search = Annotated[str | None, typer.Option(metavar="TEXT", help="Only services with this text in the name.")]


def services(
    service: Name = None,
    *,
    namespace: Within = None,
    search: Search = None,
    admin: Admin = None,
    output: As = Format.TABLE,
) -> None:
    """Show the services, where each is declared, and how much of it is left out; or one in detail."""
    if service is not None:
        found = one(place(admin), path("services", *namespace_and_name(service)))
        if not given(found, output):
            answer("\n".join(map(one_line, _detail(read(found, ServiceView)))))
        return
    found = every(place(admin), path("services"), {"namespace": namespace, "search": search})
    if not given(found, output):
        rows = map(_row, read(found, ServiceList).items)
        head = ("SERVICE", "PORTS", "CALLED", "LEFT OUT", "SOURCE", "PLACE", "READY")
        none = "no service matches" if namespace or search else "there is no service"
        answer(table(head, rows, wide=output.is_wide, more=1, none=none, firm=1))


def endpoints(  # noqa: PLR0913  (typer makes a flag of each)
    service: Name = None,
    *,
    proxy: From = None,
    namespace: Namespace = None,
    locality: Locality = None,
    admin: Admin = None,
    output: As = Format.TABLE,
) -> None:
    """Show the endpoints, whether each is called, and if not, why.

    With --from, or --namespace and --locality: for that client, with the priority and the share of each.
    """
    wanted = "/".join(namespace_and_name(service)) if service else None
    query = {"service": wanted, "proxy": proxy, "namespace": namespace, "locality": locality}
    found = every(place(admin), path("endpoints"), query)
    if not given(found, output):
        answer("\n".join(_endpoints(read(found, EndpointList), output.is_wide)))


def _endpoints(said: EndpointList, wide: bool) -> Iterator[str]:
    head = ["SERVICE", "ADDRESS", "STATE", "WEIGHT", "ZONE", "CALLED", "WHY", "ON NODE", "WORKLOAD"]
    rows = [_endpoint(each) for each in said.items]
    if said.asked_by is not None:
        yield f"for {client(said.asked_by)}"
        yield from unsure(said.asked_by)
        head[_SHARED:_SHARED] = "PRIORITY", "SHARE"
        for row, each in zip(rows, said.items, strict=True):
            row[_SHARED:_SHARED] = _by_port(each, _priority), _by_port(each, _share)
    yield table(head, rows, wide=wide, more=2, below=True, firm=2)


def namespace_and_name(service: str) -> tuple[str, ...]:
    """The namespace and the name, as users write them: `shop/cart`."""
    namespace, slash, name = service.partition("/")
    if not (namespace and slash and name):
        hint = f"; pilothouse explain {service} says what is at an address" if is_address(service) else ""
        raise typer.BadParameter(f"{service!r} is not NAMESPACE/NAME{hint}", param_hint="'SERVICE'")
    return namespace, name


def _row(each: ServiceRow) -> tuple[str, ...]:
    left_out = amounts((code, number) for code, number in each.left_out.items())
    return (
        f"{each.namespace}/{each.name}",
        ",".join(_port(port) for port in each.ports) or "-",
        f"{each.called}/{each.endpoints}",
        "quarantined" if each.quarantined else "-" if left_out == "none" else left_out,
        each.source or "-",
        each.place or "-",
        f"{each.ready}/{each.endpoints}",
    )


def _port(port: PortView) -> str:
    return f"{port.number}/{port.protocol}"


def _endpoint(each: EndpointRow) -> list[str]:
    return [
        each.service,
        ",".join(f"{each.address}:{number}" for number in each.ports.values()) or each.address,
        each.state,
        str(each.weight),
        each.locality.zone or each.locality.region or "-",
        each.called,
        "; ".join(f"{reason.code}: {reason.words}" for reason in each.reasons) or "-",
        each.on_node or "-",
        each.workload or "-",
    ]


def _by_port(each: EndpointRow, said: Callable[[ShareView], str]) -> str:
    """What is said of each port, once if it is the same for all."""
    found = {share.port: said(share) for share in each.shares}
    if len(set(found.values())) == 1:
        return next(iter(found.values()))
    return " ".join(f"{port}:{words}" for port, words in found.items()) or "-"


def _priority(of: ShareView) -> str:
    return "-" if of.priority is None else str(of.priority)


def _share(of: ShareView) -> str:
    return percent(of.share)


def _detail(said: ServiceView) -> Iterator[str]:
    counts = said.endpoints
    yield f"{said.namespace}/{said.name}"
    yield f"declared    {said.source or '-'}, {said.place or '-'}, changed {since(said.changed)}"
    ports = (" ".join(filter(None, (_port(port), port.name))) for port in said.ports)
    yield f"ports       {', '.join(ports) or '-'}"
    yield f"virtual IPs {', '.join(said.virtual_ips) or '-'}"
    yield f"hosts       {', '.join(said.hosts) or '-'}"
    seen_by = "all namespaces" if said.exported_to is None else ", ".join(said.exported_to) or "none"
    yield f"exported to {seen_by}"
    yield f"routes      {', '.join(said.routes) or '-'}"
    if said.policy:
        yield f"policy      {', '.join(f'{name} {value}' for name, value in said.policy.items())}"
    if said.answered_by or said.external_name:
        yield f"leads to    {said.answered_by or said.external_name}"
    yield f"endpoints   {counts.total}, of which {counts.ready} are ready"
    if said.quarantined is not None:
        stays = "its last good version is served" if said.quarantined.served else "nothing is served"
        yield f"quarantined since {since(said.quarantined.since)}, {stays}: {said.quarantined.reason}"
    for each in said.left_out:
        yield f"left out    {_why(each)}"


def _why(reason: Why) -> str:
    return f"{reason.about or ''} [{reason.code}] {reason.words}".strip()
