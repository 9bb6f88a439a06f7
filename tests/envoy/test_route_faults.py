"""What Envoy refuses of a route costs the rule, the match or the share that asks for it, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from .load import ask
from .manifests import service
from .routes import request, route, to, under

pytestmark = pytest.mark.envoy

BREAK = "recycled\n"


def change(kind: str, *values: str) -> dict:
    field = kind[0].lower() + kind[1:]
    return {"type": kind, field: {"set": [{"name": "x-paper", "value": value} for value in values]}}


def rewrite(**said: Any) -> dict:
    return {"type": "URLRewrite", "urlRewrite": said}


def redirect(**said: Any) -> dict:
    return {"type": "RequestRedirect", "requestRedirect": said}


#: By path, rules that Envoy cannot have, each with a status that says so.
BAD = {
    "/response": under("/response", to("blue"), filters=[change("ResponseHeaderModifier", BREAK)]),
    "/request": under("/request", to("blue"), filters=[change("RequestHeaderModifier", "\x00")]),
    "/long": under("/long", to("blue"), filters=[change("RequestHeaderModifier", "%" * 9_000)]),
    "/name": under(
        "/name",
        to("blue"),
        filters=[{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["a b"]}}],
    ),
    "/whole": under(
        "/whole",
        to("blue"),
        filters=[rewrite(path={"type": "ReplaceFullPath", "replaceFullPath": "/a\nb"})],
    ),
    "/prefix": under(
        "/prefix",
        to("blue"),
        filters=[rewrite(path={"type": "ReplacePrefixMatch", "replacePrefixMatch": "/a\r"})],
    ),
    "/host": under("/host", to("blue"), filters=[rewrite(hostname="a\nb")]),
    "/away": under("/away", filters=[redirect(hostname="a\nb")]),
    "/moved": under(
        "/moved", filters=[redirect(path={"type": "ReplaceFullPath", "replaceFullPath": "/\x00"})]
    ),
    "/attempts": under("/attempts", to("blue"), retry={"attempts": -1}),
    "/extension": under("/extension", to("blue"), filters=[{"type": "ExtensionRef"}]),
    "/share": under("/share", to("blue") | {"filters": [change("RequestHeaderModifier", BREAK)]}),
    "/percent": under("/percent", to("blue"), filters=[{"type": "100%REQ(:PATH)%"}]),
    "/much": under("/much", to("blue"), filters=[{"type": "x" * 9_000}]),
    "/kind": under("/kind", {"kind": "Bucket", "group": "storage.example", "name": "b"}),
}
#: By path, of some of them the reason that the answer gives.
REASONS = {
    "/response": "filters[0].responseHeaderModifier.set[0].value: has a line break",
    "/name": '"a b" is not the name of a header',
    "/host": r'"a\nb" is not a host name',
    "/extension": "the filter ExtensionRef is not supported",
    "/kind": "a backend cannot be a Bucket of storage.example",
    "/percent": "the filter 100%REQ(:PATH)% is not supported",
    "/much": "the filter " + "x" * 60,
}
REGEX = {"type": "RegularExpression", "value": "/(?!staff).*"}


async def test_a_rule_that_envoy_refuses_costs_itself_and_endpoints_move_on(
    mesh, tellers, eventually
) -> None:
    rules = [
        *BAD.values(),
        {"matches": [{"path": REGEX}], "backendRefs": [to("blue")]},
        {"matches": [{"path": {"value": "/header"}, "headers": [{"name": "a", **REGEX}]}]},
        under(
            "/copied",
            to("blue"),
            filters=[
                {"type": "RequestMirror", "requestMirror": {"backendRef": {"kind": "Bucket", "name": "b"}}}
            ],
        ),
        under("/half", to("blue"), to("green") | {"filters": [{"type": "ExtensionRef"}]}),
        under("/good", to("blue")),
    ]
    mesh.manifests.save("route", route(*rules))
    control_plane = await mesh.serve()
    sidecar = await mesh.sidecar(control_plane.port)
    assert (await request(sidecar, "web", "/good")).backend == "blue"
    assert {path: (await request(sidecar, "web", path)).status for path in BAD} == dict.fromkeys(BAD, 500)
    for path, reason in REASONS.items():
        said = (await request(sidecar, "web", path)).text
        assert said.startswith("pilothouse: HTTPRoute shop/web-httproute "), path
        assert reason in said, path
        assert said.count("\n") == 1, path
        assert "recycled" not in said, path  # nobody is told a header that a route sets
    # Who asks for what only the match that cannot be compared might be about.
    assert (await request(sidecar, "web", "/other")).status == 500
    assert (await request(sidecar, "web", "/header")).status == 500
    assert (await request(sidecar, "web", "/copied")).backend == "blue"
    halves = {(await request(sidecar, "web", "/half")).status for _ in range(40)}
    assert halves == {200, 500}

    # The pods of `blue` and of the service itself are moved.
    mesh.manifests.save("blue", service("blue"), tellers["green"].slice("blue"))
    await eventually(lambda: is_served(sidecar, "blue", "green"))
    assert (await request(sidecar, "web", "/good")).backend == "green"
    assert await sidecar.rejected() == {}


async def test_a_call_that_fails_says_why_in_its_status(mesh) -> None:
    backend = await mesh.backend("web")
    calls = route({"backendRefs": [to("nobody")]}, kind="GRPCRoute")
    mesh.manifests.save("web", service("web"), backend.slice("web"), calls)
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    head = (await request(sidecar, "web", "/a.B/C", "POST", content_type="application/grpc")).head
    assert "grpc-status: 14" in head
    why = "pilothouse: grpcroute shop/web-grpcroute has no backend that can be called: shop/nobody:80"
    assert f"grpc-message: {why}" in head


async def is_served(sidecar, host: str, backend: str) -> bool:
    return (await ask(sidecar.egress, host)).body.partition("\n")[0] == backend


async def test_a_tcp_route_with_an_impossible_backend_keeps_the_other(mesh) -> None:
    """The share is refused; see test_gateway for how shares of connections are."""
    blue = await mesh.backend("blue")
    mesh.manifests.save("blue", service("blue"), blue.slice("blue"))
    tcp = service("web", clusterIP="127.77.1.1", ports=[{"name": "tcp", "port": 5432}])
    bucket = {"kind": "Bucket", "name": "b", "weight": 0}
    split = route({"backendRefs": [to("blue"), bucket]}, kind="TCPRoute")
    mesh.manifests.save("web", tcp, split | {"apiVersion": "gateway.networking.k8s.io/v1alpha2"})
    await mesh.sidecar((await mesh.serve()).port)
    assert (await ask(("127.77.1.1", 5432), "any")).body == "blue"
