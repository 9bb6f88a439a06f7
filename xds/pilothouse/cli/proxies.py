"""The command that shows the proxies, and what one of them has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from pilothouse.admin.api.views import (
    GoneView,
    LagView,
    ProxyList,
    ProxyView,
    RefusalView,
    StreamView,
)
from pilothouse.admin.api.views.proxies import PROXY_STATES
from pilothouse.cli.asking import Admin, every, one, path, place, read
from pilothouse.cli.output import As, Format, answer, given, one_line
from pilothouse.cli.tables import age, counted, since, table

Node = Annotated[str | None, typer.Argument(metavar="[NODE]", help="The node id of one proxy.")]


InState = Annotated[str | None, typer.Option("--state", metavar="STATE", help="Only proxies in this state.")]
Within = Annotated[str | None, typer.Option(metavar="NAME", help="Only proxies of this namespace.")]


def proxies(
    node: Node = None,
    *,
    state: InState = None,
    namespace: Within = None,
    admin: Admin = None,
    output: As = Format.TABLE,
) -> None:
    """Show the proxies and how far each is, first those that need attention; or one proxy in detail.

    States: REFUSED (a request of its is not allowed), NACKED (rejected what it was sent), STALE (does not
    answer), GONE, SENDING, SYNCED, IDLE.
    """
    if node is None:
        narrowed = {"state": state.upper() if state else None, "namespace": namespace}
        found = every(place(admin), path("proxies"), narrowed)
        if not given(found, output):
            none = "no proxy is like that" if state or namespace else ""
            answer(_listed(read(found, ProxyList), output.is_wide, none))
        return
    found = one(place(admin), path("proxies", node))
    if not given(found, output):
        answer("\n".join(_detail(read(found, ProxyView), output.is_wide)))


def _listed(said: ProxyList, wide: bool = False, none: str = "") -> str:
    rows = [
        (
            each.node or "-",
            each.namespace or "-",
            each.state,
            " ".join(f"{one.type}:{one.state}" for one in each.types if one.state != "SYNCED") or "-",
            age(each.connected),
            age(each.gone),
            each.reason or "-",
            _lag(each.lag),
            each.peer,
            each.stream,
            each.variant,
            each.connected,
        )
        for each in sorted(said.items, key=lambda row: PROXY_STATES.index(row.state))
    ]
    ended = "GONE FOR", "REASON"
    more = "LAG", "PEER", "STREAM", "VARIANT", "SINCE"
    head = ("NODE", "NAMESPACE", "STATE", "NOT SYNCED", "CONNECTED", *ended, *more)
    return table(head, rows, wide=wide, more=len(more), none=none)


def _detail(said: ProxyView, wide: bool = False) -> Iterator[str]:
    yield f"{one_line(said.node)} is {said.state}"
    peers = [each.peer for each in said.streams if each.stream == "ADS" and each.dialect == "envoy"]
    if len(peers) > 1:
        yield one_line(f"beware: {len(peers)} Envoys state this node id: {', '.join(peers)}")
    for stream in said.streams:
        yield from _stream(stream, wide)
    for gone in said.gone:
        yield from _gone(gone)
    if said.refused is not None:
        yield from _refused(said.refused)


def _stream(stream: StreamView, wide: bool) -> Iterator[str]:
    where = stream.locality
    place = "/".join(part for part in (where.region, where.zone, where.sub_zone) if part)
    yield ""
    yield f"stream      {stream.stream}, {stream.variant}, from {one_line(stream.peer)}"
    yield f"connected   {since(stream.connected)}"
    yield f"namespace   {stream.namespace or '-'}"
    yield f"locality    {one_line(place) or '-'}"
    if stream.identity:
        yield f"identity    {one_line(', '.join(stream.identity))}"
    if stream.depends_on:
        yield f"depends on  {one_line(', '.join(stream.depends_on))}"
    if stream.unknown:
        yield f"unknown     {one_line(', '.join(stream.unknown))} [declared-but-unknown]"
    rows = [
        (
            each.type,
            each.state,
            "all" if each.wildcard else str(each.asked),
            str(each.held),
            _change(each.change_sent),
            _change(each.change_acknowledged),
            _lag(each.lag),
            age(each.in_flight_since),
            each.version_sent or "-",
            each.version_acknowledged or "-",
        )
        for each in stream.types
    ]
    versions = "VERSION SENT", "VERSION ACKNOWLEDGED"
    head = ("TYPE", "STATE", "ASKED", "HELD", "SENT", "ACKNOWLEDGED", "LAG", "IN FLIGHT", *versions)
    yield table(head, rows, wide=wide, more=len(versions))
    for each in stream.types:
        if each.last_nack is not None:
            yield f"{each.type} NACK at {each.last_nack.at}: {one_line(each.last_nack.text)}"


def _change(number: int | None) -> str:
    return "-" if number is None else str(number)


def _lag(lag: LagView | None) -> str:
    """How many changes it does not have, and for how long."""
    return f"{counted(lag.changes, 'change')}, {age(lag.since)}" if lag else "-"


def _refused(refused: RefusalView) -> Iterator[str]:
    yield ""
    often, last = counted(refused.count, "time"), age(refused.last)
    yield f"refused     {often} since {refused.first}, the last time {last} ago"
    yield f"because     {one_line(refused.why)}"
    yield f"stream      {refused.stream}, {refused.variant}, from {one_line(refused.peer)}"


def _gone(gone: GoneView) -> Iterator[str]:
    yield ""
    yield f"gone        {since(gone.since)}: {gone.why}"
    yield f"connected   {gone.connected}, {gone.stream}, from {one_line(gone.peer)}"
    for each in gone.unanswered:
        yield f"{each.type}         was not answered since {since(each.since)}"
    for type, text in (gone.nacked or {}).items():
        yield f"{type} NACK    {one_line(text)}"
