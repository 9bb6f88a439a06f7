"""The command that says, on one screen, how a control plane is and what needs attention."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import typer

from pilothouse.admin.api.views import ProxyState, StatusView
from pilothouse.admin.api.views.proxies import NEED_ATTENTION
from pilothouse.cli.asking import Admin, one, path, place, read
from pilothouse.cli.output import As, Format, answer, given, one_line
from pilothouse.cli.tables import amounts, counted, since


def status(*, admin: Admin = None, output: As = Format.TABLE) -> None:
    """Show how a running control plane is, and what needs attention.

    Exits 1 if anything does: it is not ready, there is a warning, a proxy is REFUSED, NACKED or
    STALE, several Envoys state one node id, or a service has endpoints of which none is called.
    """
    found = one(place(admin), path("status"))
    said = read(found, StatusView)
    if not given(found, output):
        answer("\n".join(map(one_line, _lines(said))))
    if said.degraded or said.behind or said.unserved or said.ambiguous:
        raise typer.Exit(1)


def _behind(said: StatusView) -> Iterator[str]:
    """A line for those that are refused, and one for each other proxy that needs attention."""
    refused = [each.node or f"one at {each.peer}" for each in said.behind if each.state == "REFUSED"]
    number, rest = said.counts.proxies.get("REFUSED", 0), dict(unnamed(said))
    if refused:
        more = f" and {rest.pop('REFUSED'):,} more" if "REFUSED" in rest else ""
        are = f"{counted(number, 'proxy', 'proxies')} {'is' if number == 1 else 'are'} refused"
        yield f"{are}: {', '.join(refused)}{more}: pilothouse proxies --state REFUSED"
    for proxy in said.behind:
        if proxy.state != "REFUSED":
            yield f"proxy {proxy.node} is {proxy.state}: pilothouse proxies {proxy.node}"
    for state, number in rest.items():
        are = f"{number:,} more {'proxy is' if number == 1 else 'proxies are'}"
        yield f"{are} {state}: pilothouse proxies --state {state}"


def unnamed(said: StatusView) -> Iterator[tuple[ProxyState, int]]:
    """How many proxies need attention that are not named, by state, the worst first."""
    named = Counter(each.state for each in said.behind)
    for state in NEED_ATTENTION:
        number = said.counts.proxies.get(state, 0) - named[state]
        if number > 0:
            yield state, number


def _lines(said: StatusView) -> Iterator[str]:
    yield f"pilothouse {said.version}, since {since(said.since)}"
    yield f"ready      {'yes' if said.ready else 'no'}"
    counts = said.counts
    yield f"serves     {counted(counts.services, 'service')}, {counted(counts.endpoints, 'endpoint')}"
    yield f"proxies    {amounts((name, number) for name, number in counts.proxies.items())}"
    yield f"left out   {amounts((code, number) for code, number in counts.left_out.items())}"
    for reason in said.reasons:
        yield f"not ready: {reason}"
    for warning in said.warnings:
        yield f"warning: {warning}"
    yield from _behind(said)
    for node in said.ambiguous:
        yield f"several Envoys state the node id {node}: pilothouse proxies {node}"
    if said.unserved:
        more = counts.unserved - len(said.unserved)
        named = ", ".join(said.unserved) + (f" and {more:,} more" if more else "")
        yield f"endpoints, but none is called: {named}: pilothouse endpoints {said.unserved[0]}"
