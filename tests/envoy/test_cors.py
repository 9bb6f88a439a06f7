"""The CORS filter: what a browser asks before it calls, and what it is told with the answer."""

from __future__ import annotations

from typing import Any

import pytest

from .routes import Answer, request, route, to, under

pytestmark = pytest.mark.envoy

MANY = {
    "allowOrigins": ["https://www.foo.com", "https://*.bar.com", "https://usual.example:443"],
    "allowMethods": ["GET", "OPTIONS"],
    "allowHeaders": ["x-header-1", "X-Header-2"],
    "exposeHeaders": ["x-header-3"],
    "allowCredentials": True,
    "maxAge": 3600,
}
ANY = {"allowOrigins": ["*"], "allowMethods": ["*"], "allowHeaders": ["*"], "exposeHeaders": ["*"]}


def said(answer: Answer) -> dict[str, str]:
    """The fields of CORS, without the prefix that all of them have."""
    lines = (line for line in answer.head.splitlines() if line.startswith("access-control-"))
    return dict(line.removeprefix("access-control-").split(": ", 1) for line in lines)


async def test_pages_of_allowed_origins_may_call_and_no_others(mesh, tellers) -> None:
    def cors(path: str, policy: dict, **more: Any) -> dict:
        return under(path, to("blue"), filters=[{"type": "CORS", "cors": policy}], **more)

    put = {"path": {"value": "/put"}, "method": "PUT", "headers": [{"name": "x-kind", "value": "a"}]}
    rules = [
        cors("/many", MANY),
        cors("/any", ANY),
        cors("/trusting", ANY | {"allowCredentials": True}),
        cors("/default", {"allowCredentials": True}),
        cors("/put", {"allowMethods": ["PUT"]}) | {"matches": [put]},
        under("/plain", to("blue")),
    ]
    mesh.manifests.save("route", route(*rules))
    sidecar = await mesh.sidecar((await mesh.serve()).port)

    async def preflight(path: str, origin: str, method: str = "GET") -> dict[str, str] | str:
        asked: Any = {"access_control_request_method": method, "access_control_request_headers": "x-a"}
        answer = await request(sidecar, "web", path, "OPTIONS", origin=origin, **asked)
        return answer.backend or said(answer)

    async def call(path: str, origin: str) -> tuple[str, dict[str, str]]:
        answer = await request(sidecar, "web", path, origin=origin)
        return answer.backend, said(answer)

    for origin in ("https://www.foo.com", "https://a.b.bar.com", "https://usual.example"):
        assert await preflight("/many", origin) == {
            "allow-origin": origin,
            "allow-methods": "get, options",
            "allow-headers": "x-header-1, x-header-2",
            "expose-headers": "x-header-3",
            "allow-credentials": "true",
            "max-age": "3600",
        }
        told = {"allow-origin": origin, "allow-credentials": "true", "expose-headers": "x-header-3"}
        assert await call("/many", origin) == ("blue", told)
    for origin in ("https://foobar.com", "http://www.foo.com", "https://bar.com.evil.example"):
        assert "allow-origin" not in await preflight("/many", origin)
        assert await call("/many", origin) == ("blue", {})

    origin = "https://anybody.example:8443"
    anything = {"allow-origin": origin, "allow-methods": "put", "allow-headers": "x-a", "max-age": "5"}
    assert await preflight("/any", origin, "PUT") == anything | {"expose-headers": "*"}
    assert await preflight("/trusting", origin, "PUT") == anything | {"allow-credentials": "true"}
    told = {"allow-origin": origin, "allow-credentials": "true"}
    assert await call("/default", origin) == ("blue", told)
    answer = await preflight("/put", origin, "PUT")
    assert isinstance(answer, dict)
    assert answer["allow-methods"] == "put"

    assert await preflight("/plain", origin) == "blue"
    assert await call("/plain", origin) == ("blue", {})
    assert await sidecar.rejected() == {}
