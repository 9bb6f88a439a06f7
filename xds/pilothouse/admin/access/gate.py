"""Stands before the admin's pages and lets in whom the rules let in. Pages find the caller in the scope."""

from __future__ import annotations

import json
from collections.abc import Callable

import structlog
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from pilothouse.admin.access.callers import NOBODY, Caller
from pilothouse.admin.access.rules import Asked, Refusal, Terms, judged

log = structlog.get_logger(__name__)

#: The key of the caller, and of a client's verified certificate, in the state of a scope.
CALLER, CERTIFICATE = "caller", "certificate"
_BEARER = (b"www-authenticate", b'Bearer realm="pilothouse"')
_BASIC = (b"www-authenticate", b'Basic realm="pilothouse", charset="UTF-8"')
_LONGEST_PATH = 200


def caller(scope: Scope) -> Caller:
    """Who sends a request: nobody, if no gate has let it in."""
    found = scope.get("state", {}).get(CALLER, NOBODY)
    assert isinstance(found, Caller)
    return found


def challenged(answer: Response, destination: str) -> Response:
    """The same answer, which asks for credentials.

    `destination` is what a browser wants it for (Sec-Fetch-Dest). For a script it is "empty": the console has
    a dialog of its own, and the browser's, to which `Basic` leads, would come before it.
    """
    answer.raw_headers.extend([_BEARER] if destination == "empty" else [_BEARER, _BASIC])
    return answer


class Gate:
    """Asks for the terms at each request, as tokens change."""

    def __init__(self, app: ASGIApp, terms: Callable[[], Terms]) -> None:
        self._app, self._terms = app, terms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = _asked(scope)
        found = judged(self._terms(), asked)
        if isinstance(found, Refusal):
            said = {"peer": asked.peer, "path": asked.path[:_LONGEST_PATH], "status": found.status}
            log.warning("request refused", **said, reason=found.why)
            await _answer(found, asked.header("sec-fetch-dest"))(scope, receive, send)
            return
        scope["state"] = {**scope.get("state", {}), CALLER: found}
        await self._app(scope, receive, send)


def _asked(scope: Scope) -> Asked:
    headers: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return Asked(
        scope["method"],
        scope["path"],
        scope["client"][0] if scope.get("client") else "",
        headers,
        scope["scheme"],
        scope.get("state", {}).get(CERTIFICATE),
    )


def _answer(refusal: Refusal, destination: str) -> Response:
    body = json.dumps({"error": refusal.why}).encode("ascii") + b"\n"
    # What is left of a body is not read.
    answer = Response(body, refusal.status, {"connection": "close"}, "application/json")
    return challenged(answer, destination) if refusal.challenge else answer
