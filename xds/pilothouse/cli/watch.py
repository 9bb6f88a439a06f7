"""The command that prints what happens while it happens."""

from __future__ import annotations

import json
import time
from typing import Annotated

import typer

from pilothouse.admin.api.views import ChangeView
from pilothouse.cli.asking import Admin, Event, Unanswered, events, place, read
from pilothouse.cli.changes import acknowledged
from pilothouse.cli.output import As, Format, answer, complain, one_line, written
from pilothouse.cli.services import namespace_and_name
from pilothouse.cli.tables import counted
from pilothouse.structures.hostport import HostPort

_AGAIN_S = 1.0

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


def _is_about(event: Event, service: str) -> bool:
    """Whether it concerns a service. What proxies and sources do is about no service; a gap is about all."""
    match event.kind:
        case "change" | "nack":
            return any(each["service"] == service for each in event.data["services"])
        case "hold":
            return service in event.data.get("services", ())
        case "proxy" | "source":
            return False
        case _:
            return True


def _shown(event: Event, output: Format) -> str:
    if output.is_text:
        return one_line(f"{time.strftime('%H:%M:%S')} {event.kind:7} {_words(event)}".rstrip())
    said = {"event": event.kind, "data": event.data}
    return json.dumps(said) if output is Format.JSON else f"---\n{written(said, output)}"


def _words(event: Event) -> str:
    data = event.data
    match event.kind:
        case "change":
            return _change(read(data, ChangeView))
        case "proxy":
            behind = (f"{each['type']} {each['state']}" for each in data.get("types", ()))
            return f"{data['node']} is {data['state']}: {data.get('reason') or ', '.join(behind)}"
        case "source":
            return f"{data['name']} {data.get('error') or data.get('state', '')}"
        case "hold" if data.get("ended"):
            return f"{data['source']}: the hold has ended"
        case "hold":
            services, endpoints = data["lost_services"], data["lost_endpoints"]
            lost = f"{counted(services, 'service')} and {counted(endpoints, 'endpoint')}"
            return f"{data['source']}: the loss of {lost} is held until {data['until']}"
        case "nack":
            return f"{data['node']} {data['type']}: {data['text']}"
        case _:
            return "some events were missed"


def _change(change: ChangeView) -> str:
    said = "; ".join(f"{each.service} {each.what or ''}".strip() for each in change.services)
    return f"{change.number} {said} ({acknowledged(change.published)})"
