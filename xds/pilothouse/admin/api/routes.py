"""The routes of the API. Each answer is JSON with an ETag, each mistake is one line of JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pilothouse.admin.api.inquiry import Inquiry, Missing, Mistaken
from pilothouse.admin.api.openapi import document
from pilothouse.admin.api.pages import PAGES, PREFIX, Page, arguments
from pilothouse.admin.api.parameters import read
from pilothouse.admin.api.streaming import EVENTS, event_stream
from pilothouse.admin.api.views import ErrorView
from pilothouse.structures.lane import Lane
from pilothouse.structures.turns import PAUSE

OPENAPI = f"{PREFIX}/openapi.json"


def routes(inquire: Callable[[], Inquiry], version: Callable[[], str], lane: Lane) -> list[Route]:
    """A route for each page. `inquire` is called again for each request. The answers share the lane."""

    async def openapi(request: Request) -> Response:
        return answered(request, document(version()))

    async def events(request: Request) -> Response:
        found = inquire().events
        if found.full:
            return _refused(503, ErrorView("there are too many readers of events"))
        try:
            return event_stream(request, found)
        except Mistaken as mistaken:
            return _refused(400, ErrorView(str(mistaken)))

    return [
        Route(PREFIX + EVENTS, events, methods=["GET"]),
        *(Route(PREFIX + page.path, _endpoint(page, inquire, lane), methods=["GET"]) for page in PAGES),
        Route(OPENAPI, openapi, methods=["GET"]),
    ]


def answered(request: Request, content: Any) -> Response:
    """The content as JSON, or 304 if the client says that it has the same."""
    body = _json(content)
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": "no-cache"}
    if tag in (each.strip() for each in request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def _endpoint(page: Page, inquire: Callable[[], Inquiry], lane: Lane) -> Callable[[Request], Any]:
    places = tuple(arguments(page))

    async def endpoint(request: Request) -> Response:
        try:
            said = read(page.parameters, request.query_params.multi_items())
            in_path = {name: request.path_params[name] for name in places}
            async with lane.taken():
                found = await page.ask(inquire(), {**said, **in_path})
                await PAUSE.get()()
                return answered(request, found)
        except Mistaken as mistaken:
            return _refused(400, ErrorView(str(mistaken)))
        except Missing as missing:
            return _refused(404, ErrorView(str(missing), missing.near))

    return endpoint


def _refused(status: int, error: ErrorView) -> Response:
    body = _json(error)
    return Response(body, status_code=status, media_type="application/json")


def _json(content: Any) -> bytes:
    """Text for people, too.

    A fault can name a file whose name is not UTF-8. Python represents such a name by lone surrogates, which
    only `json` can write, and that takes ten times as long.
    """
    try:
        text = msgspec.json.encode(content)
    except UnicodeEncodeError:
        text = json.dumps(msgspec.to_builtins(content)).encode("ascii")
    return msgspec.json.format(text, indent=2) + b"\n"
