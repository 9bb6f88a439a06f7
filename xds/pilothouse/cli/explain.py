"""The command that walks from a name to the endpoints behind it, as one client has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from pilothouse.admin.api.views import (
    ChangeView,
    ClusterView,
    DnsAnswer,
    DnsView,
    ExplainView,
    RouteView,
    TargetView,
    ToView,
    Why,
)
from pilothouse.cli.asking import Admin, one, path, place, read
from pilothouse.cli.client import From, Locality, Namespace, client, unsure
from pilothouse.cli.output import As, Format, answer, given, one_line
from pilothouse.cli.tables import age, percent, since, table

_NAME = "A host name, an IP or NAMESPACE/NAME, with or without a port; or a URL."

Name = Annotated[str, typer.Argument(metavar="NAME", help=_NAME)]
Endpoint = Annotated[str | None, typer.Option(metavar="IP", help="Only this endpoint.")]


def explain(  # noqa: PLR0913  (typer makes a flag of each)
    name: Name,
    *,
    proxy: From = None,
    namespace: Namespace = None,
    locality: Locality = None,
    endpoint: Endpoint = None,
    admin: Admin = None,
    output: As = Format.TABLE,
) -> None:
    """Explain where a name leads: service, virtual IP, rules, clusters, and endpoints with their shares.

    Each endpoint that gets no requests has its reason. With --from, it says what that proxy has acknowledged.
    Exits 1 if no request gets to an endpoint, or to that of --endpoint. What a proxy itself finds in DNS is
    unknown, and no failure.
    """
    query = {
        "name": name,
        "proxy": proxy,
        "namespace": namespace,
        "locality": locality,
        "endpoint": endpoint,
    }
    found = one(place(admin), path("explain"), query)
    said = read(found, ExplainView)
    if not given(found, output):
        answer("\n".join(_lines(said, output.is_wide)))
    if said.reaches is False:
        raise typer.Exit(1)


def _lines(said: ExplainView, wide: bool = False) -> Iterator[str]:
    yield f"{one_line(said.name)}, called by {client(said.asked_by)}"
    yield from unsure(said.asked_by)
    if said.read_as is not None:
        yield f"read as     {one_line(said.read_as)}"
    if said.service is not None:
        answered = f", answered by {said.answered_by}" if said.answered_by else ""
        declared = f", declared at {one_line(said.place)}" if said.place else ""
        yield f"service     {said.service}{answered}{declared}"
    for note in said.notes:
        yield f"note        {_why(note)}"
    if said.problem is not None:
        yield from _nowhere(said.problem, said.near)
    if said.last_change is not None:
        yield _changed(said.last_change)
    if said.found:
        yield from _found(said, wide)
    yield from _left_out(said)
    if said.dns is not None:
        yield from _dns(said.dns, said.asked_by.namespace)
    yield from map(_answer, said.answers)


def _nowhere(problem: Why, near: Sequence[str]) -> Iterator[str]:
    """Why a name leads nowhere, and in which namespaces it would mean something, if it is a short one."""
    yield f"leads nowhere: {_why(problem)}"
    if near:
        yield f"near        {', '.join(near)}"
    name = problem.about
    there = [each.partition("/")[0] for each in near if each.partition("/")[2] == name]
    if there:
        yield f"try         --namespace {' or '.join(there)}; or a longer name, such as {name}.{there[0]}"


def _changed(last: ChangeView) -> str:
    what = ", ".join(f"{each.service} {each.what or ''}".strip() for each in last.services)
    where = f", {last.place}" if last.place else ""
    return one_line(f"changed     {what}{where}: change {last.number}, {since(last.at)}")


def _left_out(said: ExplainView) -> Iterator[str]:
    """What no table has shown."""
    reasoned = [each for cluster in said.clusters for each in cluster.endpoints if each.reason]
    shown = {*map(_place, reasoned), *(each.address for each in reasoned)}
    for each in said.left_out:
        if each.about not in shown:
            yield f"left out    {_why(each)}"


def _dns(dns: DnsView, namespace: str) -> Iterator[str]:
    first = f"; {dns.shortest} needs one" if dns.shortest and len(dns.asked) > 1 else ""
    names = f"{len(dns.asked)} name{'s' * (len(dns.asked) != 1)}"
    yield f"CoreDNS     a Pod in {namespace} asks for {names}, with {dns.queries} queries{first}"
    for each in dns.asked:
        known = "outside" if each.exists is None else "exists" if each.exists else "no"
        yield f"  {known:9} {one_line(each.name)}"


def _answer(said: DnsAnswer) -> str:
    return one_line(f"{said.resolver:11} {', '.join(said.records) or said.code}: {said.name}")


def _found(said: ExplainView, wide: bool) -> Iterator[str]:
    yield f"virtual IP  {', '.join(said.virtual_ips) or '-'}"
    if said.port is not None:
        yield f"port        {said.port.number}/{said.port.protocol}"
    for route in said.routes:
        yield from _route(route)
    if said.asked_by.proxy:
        for step in said.steps:
            since = f" for {age(step.since)}" if step.since else ""
            yield f"{step.type}         {step.state}{since}: {step.name}"
    for cluster in said.clusters:
        yield from _cluster(cluster, wide)
    if said.reaches is False:
        yield "leads nowhere: no request gets there"


def _route(route: RouteView) -> Iterator[str]:
    named = f" ({route.route})" if route.route else ""
    yield f"requests    {one_line(route.match)}{named}"
    for to in route.to:
        yield f"  {percent(to.share) if to.share < 0.01 else f'{to.share:.2f} %':>8}  {_to(to)}"
    for each in route.left_out:
        yield f"  left out  {_why(each)}"


def _to(to: ToView) -> str:
    weight = f" (weight {to.weight})" if to.weight is not None else ""
    return one_line((to.cluster or "nowhere") + weight + (f": {to.refused}" if to.refused else ""))


def _cluster(cluster: ClusterView, wide: bool) -> Iterator[str]:
    yield f"cluster     {cluster.name}"
    yield from (f"  {one_line(each)}" for each in cluster.arithmetic)
    for each in cluster.by_dns:
        yield f"  {one_line(each.host)}:{each.port}"
    if cluster.by_dns:
        yield "  which addresses it finds, its Envoy says: curl ENVOY_ADMIN/clusters"
    if cluster.problem is not None:
        yield f"  {_why(cluster.problem)}"
    if cluster.endpoints:
        rows = map(_target, cluster.endpoints)
        head = ("ADDRESS", "SHARE", "PRIORITY", "WEIGHT", "ZONE", "STATE", "WHY NOT")
        yield table(head, rows, wide=wide, below=True)
        if cluster.total > len(cluster.endpoints):
            yield f"  {len(cluster.endpoints):,} of {cluster.total:,} endpoints; --endpoint IP shows any"


def _place(each: TargetView) -> str:
    return f"{each.address}:{each.port}" if each.port else each.address


def _target(each: TargetView) -> tuple[str, ...]:
    return (
        _place(each),
        percent(each.share),
        "-" if each.priority is None else str(each.priority),
        str(each.weight),
        each.locality.zone or each.locality.region or "-",
        each.state,
        f"{each.reason.code}: {each.reason.words}" if each.reason else "-",
    )


def _why(reason: Why) -> str:
    return one_line(f"{reason.about or ''} [{reason.code}] {reason.words}".strip())
