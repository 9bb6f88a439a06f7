"""The routes of the API. Each answer is JSON, mostly with an ETag; each mistake is one line of JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pilothouse.admin.access.callers import Caller
from pilothouse.admin.access.gate import caller, challenged
from pilothouse.admin.api.attending import Left, attended
from pilothouse.admin.api.bodies import Unacceptable, body
from pilothouse.admin.api.encoding import encoded, for_people, in_parts
from pilothouse.admin.api.inquiry import Inquiry, Missing, Mistaken, Unanswered
from pilothouse.admin.api.openapi import document
from pilothouse.admin.api.orders import COMMANDS, Command, Impossible, Orders
from pilothouse.admin.api.pages import PAGES, PREFIX, Page, arguments
from pilothouse.admin.api.parameters import read
from pilothouse.admin.api.streaming import EVENTS, event_stream
from pilothouse.admin.api.views import ErrorView
from pilothouse.structures.lane import Lane
from pilothouse.structures.turns import PAUSE, in_turns

_TURN_S = 0.002
OPENAPI = f"{PREFIX}/openapi.json"

_REFUSED = (Impossible, Left, Missing, Mistaken, Unacceptable, Unanswered)


def routes(
    inquire: Callable[[], Inquiry], version: Callable[[], str], lane: Lane, orders: Orders | None = None
) -> list[Route]:
    """A route for each page, and for each order if there is somebody to carry it out.

    `inquire` is called again for each request. The answers share the lane.
    """

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

    ordering = {each.path: _ordering(each, orders) for each in COMMANDS} if orders is not None else {}
    return [
        *(Route(PREFIX + path, endpoint, methods=["POST"]) for path, endpoint in ordering.items()),
        Route(PREFIX + EVENTS, events, methods=["GET"]),
        *(Route(PREFIX + page.path, _endpoint(page, inquire, lane), methods=[page.method]) for page in PAGES),
        Route(OPENAPI, openapi, methods=["GET"]),
    ]


def answered(request: Request, content: Any) -> Response:
    """The content as JSON, or 304 if the client says that it has the same."""
    return _sent(request, _json(content))


def _sent(request: Request, text: bytes) -> Response:
    if request.method == "POST":
        return Response(text, media_type="application/json")
    tag = f'"{hashlib.sha256(text).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": "no-cache"}
    if tag in (each.strip() for each in request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=headers)
    return Response(text, media_type="application/json", headers=headers)


def _endpoint(page: Page, inquire: Callable[[], Inquiry], lane: Lane) -> Callable[[Request], Any]:
    places = arguments(page.path)

    async def answer(request: Request, said: Mapping[str, Any]) -> Response:
        async with lane.taken():
            found = await page.ask(inquire(), said)
            await PAUSE.get()()
            text = await in_turns(in_parts(found), _TURN_S)
            await PAUSE.get()()
            return _sent(request, text)

    async def endpoint(request: Request) -> Response:
        try:
            said = read(page.parameters, request.query_params.multi_items())
            in_path = {name: request.path_params[name] for name in places}
            sent = {"body": await body(request, page.body.kind, page.body.most)} if page.body else {}
            return await attended(request.receive, answer(request, {**said, **in_path, **sent}))
        except _REFUSED as why:
            return _because(why)

    return endpoint


def _ordering(command: Command, orders: Orders) -> Callable[[Request], Any]:
    places = arguments(command.path)

    async def endpoint(request: Request) -> Response:
        who = caller(request.scope)
        if not who.may_write:
            return _unordered(who, request.headers.get("sec-fetch-dest", ""))
        try:
            read((), request.query_params.multi_items())
            order = await body(request, command.body)
            in_path = {name: request.path_params[name] for name in places}
            found = await command.give(orders, who.name, in_path, order)
        except _REFUSED as why:
            return _because(why)
        return Response(_json(found), media_type="application/json")

    return endpoint


def _because(why: Exception) -> Response:
    """The answer to a request that one of `_REFUSED` ends."""
    match why:
        case Missing():
            return _refused(404, ErrorView(str(why), why.near))
        case Unacceptable():
            return _refused(why.status, ErrorView(str(why)), {"connection": "close"})
        case Impossible():
            return _refused(409, ErrorView(str(why)))
        case Unanswered():
            return _refused(503, ErrorView(str(why)))
        case _:
            return _refused(400, ErrorView(str(why)))


def _unordered(who: Caller, destination: str) -> Response:
    """Why somebody may give no orders. What is left of the body is not read."""
    headers = {"connection": "close"}
    if who.name:
        return _refused(403, ErrorView(f"{who.name} may only read"), headers)
    if who.could_prove:
        why = "an order needs a token (Authorization: Bearer TOKEN) or a client certificate"
        return challenged(_refused(401, ErrorView(why), headers), destination)
    why = "an order needs a name: start `serve` with --admin-tokens FILE, and send one of its tokens"
    return _refused(403, ErrorView(why), headers)


def _refused(status: int, error: ErrorView, headers: dict[str, str] | None = None) -> Response:
    body = _json(error)
    return Response(body, status_code=status, media_type="application/json", headers=headers)


def _json(content: Any) -> bytes:
    return for_people(encoded(content))
