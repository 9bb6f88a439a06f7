"""Names of pages that users of Istio try, and the pages of the API that answer the same questions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pilothouse.admin.api.pages import PREFIX

#: By name below /debug: the page for one proxy, with {node}, and the page without one.
DEBUG: Mapping[str, tuple[str, str]] = {
    "syncz": ("/proxies/{node}", "/proxies"),
    "adsz": ("/proxies/{node}", "/proxies"),
    "config_dump": ("/proxies/{node}/resources", "/proxies"),
    "cdsz": ("/proxies/{node}/resources?type=CDS", "/services"),
    "edsz": ("/proxies/{node}/resources?type=EDS", "/endpoints"),
    "endpointz": ("/proxies/{node}/resources?type=EDS", "/endpoints"),
    "registryz": ("/services", "/services"),
}


def redirects() -> list[Route]:
    """A route for each name. Istio's parameter `proxyID` is the node id of the proxy."""
    return [Route(f"/debug/{name}", _endpoint(*pages), methods=["GET"]) for name, pages in DEBUG.items()]


def _endpoint(of_proxy: str, of_all: str) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        node = request.query_params.get("proxyID", "")
        page = of_proxy.replace("{node}", quote(node, safe="")) if node else of_all
        # Temporary, because these names promise nothing.
        return RedirectResponse(PREFIX + page, status_code=307)

    return endpoint
