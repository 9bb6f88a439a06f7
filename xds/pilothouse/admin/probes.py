"""What kubelets ask a process beside the control plane: whether it lives, and whether it is ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

Page = Callable[[Request], object]


def probes(trouble: Callable[[], str], more: Mapping[str, Page] | None = None) -> Starlette:
    """The application. `trouble` says why it is not ready; nothing if it is. `more` are other pages."""

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def readyz(_: Request) -> Response:
        why = trouble()
        return PlainTextResponse(f"{why or 'ready'}\n", 503 if why else 200)

    return pages_of({"/healthz": healthz, "/readyz": readyz, **(more or {})}, "GET")


def pages_of(pages: Mapping[str, Page], method: str) -> Starlette:
    """An application of these pages, each at exactly its path."""
    app = Starlette(routes=[Route(path, page, methods=[method]) for path, page in pages.items()])
    app.router.redirect_slashes = False
    return app
