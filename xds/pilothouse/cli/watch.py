"""The command that prints what happens while it happens."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Annotated

import typer

from pilothouse.admin.api.views import ChangeView, HoldEnded, HoldView, NackRow, ProxyRow, SourceView, View
from pilothouse.cli.asking import Admin, Event, Unanswered, events, place, read
from pilothouse.cli.changes import acknowledged
from pilothouse.cli.output import As, Format, answer, complain, one_line, written
from pilothouse.cli.services import namespace_and_name
from pilothouse.cli.tables import counted
from pilothouse.structures.hostport import HostPort

_AGAIN_S = 1.0
_VIEWS: Mapping[str, type[View]] = {
    "change": ChangeView,
    "proxy": ProxyRow,
    "source": SourceView,
    "hold": HoldView,
    "nack": NackRow,
}

Service = Annotated[
    str | None, typer.Argument(metavar="[SERVICE]", help="Only what is about one service: NAMESPACE/NAME.")
]


def watch(service: Service = None, *, admin: Admin = None, output: As = Format.TABLE) -> None:
    """Print changes, proxies, sources, holds and rejections as they happen, one line each, until Ctrl-C.

    If the connection is lost, it is made again, and what was missed is printed if it is remembered.
    """
    asked = place(admin)
    if service is not None:
        namespace_and_name(service)
    complain(f"watching {service or 'everything'} at {asked}; Ctrl-C ends it")
    try:
        _follow(asked, service, output)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def _follow(asked: HostPort, service: str | None, output: Format) -> None:
    last, connected = "", False
    while True:
        try:
            for event in events(asked, last):
                last, connected = event.number or last, True
                if service is None or _is_about(event, service):
                    answer(_shown(event, output))
        except Unanswered as lost:
            if not connected and not last:
                raise
            complain(f"{lost}; trying again")
            connected = False
        time.sleep(_AGAIN_S)


def _view(event: Event) -> View | None:
    """The data of an event. None if it says that some were missed. Raises Unanswered."""
    kind = HoldEnded if event.kind == "hold" and event.data.get("ended") else _VIEWS.get(event.kind)
    return read(event.data, kind) if kind else None


def _is_about(event: Event, service: str) -> bool:
    """Whether it concerns a service. What proxies and sources do is about no service; a gap is about all."""
    match _view(event):
        case ChangeView() | NackRow() as said:
            return any(each.service == service for each in said.services)
        case HoldView() as said:
            return service in said.services
        case None:
            return True
        case _:
            return False


def _shown(event: Event, output: Format) -> str:
    if output.is_text:
        return one_line(f"{time.strftime('%H:%M:%S')} {event.kind:7} {_words(_view(event))}".rstrip())
    said = {"event": event.kind, "data": event.data}
    return json.dumps(said) if output is Format.JSON else f"---\n{written(said, output)}"


def _words(said: View | None) -> str:
    match said:
        case ChangeView():
            return _change(said)
        case ProxyRow():
            behind = ", ".join(f"{each.type} {each.state}" for each in said.types)
            return f"{said.node} is {said.state}: {said.reason or behind}"
        case SourceView():
            return f"{said.name} {said.error or said.state}"
        case HoldEnded():
            return f"{said.source}: the hold has ended"
        case HoldView():
            services, endpoints = said.lost_services, said.lost_endpoints
            lost = f"{counted(services, 'service')} and {counted(endpoints, 'endpoint')}"
            return f"{said.source}: the loss of {lost} is held until {said.until}"
        case NackRow():
            return f"{said.node} {said.type}: {said.text}"
        case _:
            return "some events were missed"


def _change(change: ChangeView) -> str:
    said = "; ".join(f"{each.service} {each.what or ''}".strip() for each in change.services)
    return f"{change.number} {said} ({acknowledged(change.published)})"
