"""The admin's routes. They only read (GET, HEAD, and POST with a text), except for orders (POST)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from pilothouse.admin.api.inquiry import Inquiry
from pilothouse.admin.api.orders import Orders
from pilothouse.admin.api.routes import OPENAPI, routes
from pilothouse.admin.console import files as console
from pilothouse.admin.metrics import exposition
from pilothouse.admin.readiness import explain, readiness
from pilothouse.admin.redirects import redirects
from pilothouse.admin.status import FaultStatus, Questions, SourceStatus
from pilothouse.structures.lane import Lane

PAGES = {
    "/healthz": "200 while the process lives",
    "/readyz": "200 when sidecars are served what every source has reported, else 503; and why",
    "/metrics": "Prometheus metrics",
    OPENAPI: "the pages of the API, as an OpenAPI document",
    console.PATH: "the console, for browsers",
}

EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"
"""The text format that every Prometheus reads, so nothing is negotiated."""


class Json(JSONResponse):
    """JSON with line breaks, for readers with curl.

    It is in ASCII, because a fault can name a file whose name is not UTF-8. Python represents such a name by
    lone surrogates, which cannot be encoded.
    """

    def render(self, content: Any) -> bytes:
        return json.dumps(content, indent=2).encode("ascii") + b"\n"


def admin(
    read: Callable[[], Questions],
    inquire: Callable[[], Inquiry],
    orders: Orders | None = None,
    lane: Lane | None = None,
) -> Starlette:
    """The application. It calls `read` or `inquire` again for each page. Without `orders` it takes none.

    Its pages share the lane with others that read.

    Its handlers are coroutines, so they ask on the event loop: Starlette would run plain functions on
    threads, and the parts that are asked have no locks.
    """

    lane = lane or Lane()

    async def healthz(_: Request) -> Response:
        # A liveness probe reads nothing, so that it does not depend on how the other parts are doing.
        return Json({"alive": True})

    async def readyz(_: Request) -> Response:
        status = read()
        return Json(ready_view(status), status_code=200 if readiness(status).ready else 503)

    async def scrape(_: Request) -> Response:
        # Asked first, because it takes turns: all numbers are then of about the same moment.
        async with lane.taken():
            streams = await inquire().standing()
            return Response(exposition(read(), streams), headers={"content-type": EXPOSITION})

    async def index(request: Request) -> Response:
        told = {"vary": "Accept"}
        if console.for_browser(request):
            return RedirectResponse(console.PATH.removeprefix("/"), headers=told)
        return Json(index_view(read()), headers=told)

    endpoints = {"/": index, "/healthz": healthz, "/readyz": readyz, "/metrics": scrape}
    plain = [Route(path, endpoint, methods=["GET"]) for path, endpoint in endpoints.items()]
    api = routes(inquire, lambda: read().version, lane, orders)
    pages = [*plain, *api, *redirects(), *console.routes()]
    app = Starlette(routes=pages, exception_handlers={HTTPException: _refuse})
    app.router.redirect_slashes = False
    return app


def index_view(status: Questions) -> dict[str, Any]:
    return {"name": "pilothouse", "version": status.version, "started_at": status.started_at, "pages": PAGES}


def ready_view(status: Questions) -> dict[str, Any]:
    """The body of /readyz: the verdict, then each source with its reason, then the quarantined services."""
    verdict = readiness(status)
    return {
        "ready": verdict.ready,
        "degraded": verdict.degraded,
        "reasons": verdict.reasons,
        "warnings": verdict.warnings,
        "draining": status.draining,
        "sources": [_source_view(source) for source in status.sources],
        "certificates": {
            "stale": status.certificates.stale,
            "expires_at": dict(status.certificates.expires_s),
        },
        "quarantined": [asdict(quarantine) for quarantine in status.quarantined],
        "left_out": status.left_out,
    }


def _source_view(source: SourceStatus) -> dict[str, Any]:
    faults = {"faults": [*map(_fault_view, source.faults)], "warnings": [*map(_fault_view, source.warnings)]}
    return {"reason": explain(source), **asdict(source), **faults}


def _fault_view(fault: FaultStatus) -> dict[str, Any]:
    """A fault with the parts of its place as keys. For files these are `file`, `line` and `document`."""
    view = asdict(fault)
    parts = dict(view.pop("parts"))
    return {"place": view.pop("place"), **parts, **view}


async def _refuse(_: Request, error: Exception) -> Response:
    """404 and 405 as JSON, like all other answers."""
    assert isinstance(error, HTTPException)
    return Json({"error": error.detail}, status_code=error.status_code, headers=error.headers)
