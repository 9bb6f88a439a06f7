"""Gateway API routes on a Service, with real requests."""

from __future__ import annotations

from collections import Counter

import pytest

from .load import ask
from .manifests import service
from .mesh import virtual_ip
from .routes import request, route, to, under

pytestmark = pytest.mark.envoy


async def test_requests_go_where_the_rules_say(mesh, tellers, eventually) -> None:
    rules = (
        under("/split", to("blue", 3), to("green", 1)),
        under("/lost", to("blue"), to("nobody")),
        under("/api", to("blue")),
        {
            "matches": [
                {"path": {"value": "/api"}, "headers": [{"name": "x-beta", "value": "yes"}]},
                {"method": "POST"},
            ],
            "backendRefs": [to("green")],
        },
    )
    mesh.manifests.save("route", route(*rules))
    sidecar = await mesh.sidecar((await mesh.serve()).port, dependencies=["shop/web"])
    counts = Counter([(await request(sidecar, "web", "/split")).backend for _ in range(200)])
    assert 120 < counts["blue"] < 180
    assert counts["blue"] + counts["green"] == 200
    lost = Counter([(await request(sidecar, "web", "/lost")).status for _ in range(100)])
    assert 25 < lost[500] < 75
    assert lost[500] + lost[200] == 100

    assert (await request(sidecar, "web", "/api/users")).backend == "blue"
    assert (await request(sidecar, "web", "/api/users", x_beta="yes")).backend == "green"
    assert (await request(sidecar, "web", "/other", method="POST")).backend == "green"
    unmatched = await request(sidecar, "web", "/apiary")
    assert unmatched.status == 404
    assert unmatched.text == "pilothouse: no rule of the routes of shop/web matches this request\n"
    mesh.manifests.delete("route")
    await eventually(lambda: is_served(sidecar, "web"))


async def test_requests_are_changed_and_redirected(mesh, tellers) -> None:
    header = {
        "type": "RequestHeaderModifier",
        "requestHeaderModifier": {"set": [{"name": "x-new", "value": "50%"}]},
    }
    rewrite = {
        "type": "URLRewrite",
        "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}},
    }
    redirect = {"type": "RequestRedirect", "requestRedirect": {"hostname": "elsewhere", "statusCode": 301}}
    rules = (under("/api", to("blue"), filters=[header, rewrite]), under("/old", filters=[redirect]))
    mesh.manifests.save("route", route(*rules))
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    api = await request(sidecar, "web", "/api/users?page=1")
    assert (api.backend, "x-new: 50%" in api.request) == ("blue", True)
    assert api.request.startswith("get /users?page=1 ")
    old = await request(sidecar, "web", "/old/page")
    assert (old.status, "location: http://elsewhere:8080/old/page" in old.head) == (301, True)


# What becomes of a path, by prefix and replacement, as the Gateway API has it (HTTPPathModifier).
PREFIXES = [
    ("/foo", "/xyz", {"/foo/bar": "/xyz/bar", "/foo": "/xyz", "/foo/": "/xyz/"}),
    ("/foo", "/xyz/", {"/foo/bar": "/xyz/bar"}),
    ("/foo/", "/xyz", {"/foo/bar": "/xyz/bar"}),
    ("/foo/", "/xyz/", {"/foo/bar": "/xyz/bar"}),
    ("/foo", "/", {"/foo/bar": "/bar", "/foo/": "/", "/foo": "/"}),
    ("/foo", "", {"/foo/bar": "/bar", "/foo/": "/", "/foo": "/"}),
]


async def test_a_prefix_is_replaced_without_losing_or_doubling_a_slash(mesh, tellers) -> None:
    rules, expected = [], {}
    for kind, field in (("URLRewrite", "urlRewrite"), ("RequestRedirect", "requestRedirect")):
        for number, (prefix, by, paths) in enumerate(PREFIXES):
            change = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": by}}
            at = f"/{field}{number}"
            backends = [to("blue")] if kind == "URLRewrite" else []
            rules.append(under(at + prefix, *backends, filters=[{"type": kind, field: change}]))
            expected |= {at.lower() + path: after for path, after in paths.items()}
    whole = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/all"}}
    everything = under("/", to("blue"), filters=[{"type": "URLRewrite", "urlRewrite": whole}])
    for rule in rules:
        rule["matches"][0]["path"]["value"] = rule["matches"][0]["path"]["value"].lower()
    mesh.manifests.save("route", route(*rules), route(everything, parent="green"))
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    for path, after in expected.items():
        answer = await request(sidecar, "web", f"{path}?q=1")
        found = answer.head.partition("location: http://web")[2].partition("\r\n")[0]
        found = found or answer.request.partition(" ")[2].partition(" http")[0]
        assert found == f"{after}?q=1", path
    for path in ("/", "/bar"):
        answer = await request(sidecar, "green", path)
        assert answer.request.startswith(f"get /all{path} "), path
    assert await sidecar.rejected() == {}


REDIRECTS = [
    ({"hostname": "a.example"}, "web:80", "http://a.example/"),
    ({"hostname": "a.example"}, "web:8080", "http://a.example:8080/"),
    ({"scheme": "https"}, "web", "https://web/"),
    ({"scheme": "https"}, "web:80", "https://web/"),
    ({"scheme": "https"}, "web:8080", "https://web/"),
    ({"scheme": "https"}, "web.shop.svc.cluster.local:8080", "https://web.shop.svc.cluster.local/"),
    ({"scheme": "https", "port": 443}, "WEB:8080", "https://web/"),
    ({"scheme": "http"}, "web:8080", "http://web/"),
    ({"scheme": "http"}, "web:80", "http://web/"),
    ({"scheme": "https", "hostname": "a.example"}, "web:8080", "https://a.example/"),
    ({"scheme": "https", "hostname": "a.example", "port": 443}, "web:8080", "https://a.example/"),
    ({"scheme": "https", "hostname": "a.example", "port": 8443}, "web:80", "https://a.example:8443/"),
    ({"port": 8443}, "web:8080", "http://web:8443/"),
    ({"port": 80}, "web:8080", "http://web/"),
    ({"port": 80}, "web:80", "http://web/"),
    ({"scheme": "http", "port": 443}, "web", "http://web:443/"),
    ({"scheme": "https", "port": 80}, "web", "https://web:80/"),
    ({"statusCode": 301}, "web:8080", "http://web:8080/"),
    ({"statusCode": 301}, "web:80", "http://web/"),
    ({"statusCode": 301}, "web", "http://web/"),
]


async def test_a_redirect_says_the_port_that_the_gateway_api_wants(mesh) -> None:
    ports = [{"name": "http", "port": 80}, {"name": "other", "port": 8080}]
    rules = [
        {
            "matches": [{"headers": [{"name": "x-case", "value": str(number)}]}],
            "filters": [{"type": "RequestRedirect", "requestRedirect": said}],
        }
        for number, (said, _, _) in enumerate(REDIRECTS)
    ]
    mesh.manifests.save("web", service("web", ports=ports), route(*rules))
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    for number, (_, host, location) in enumerate(REDIRECTS):
        answer = await request(sidecar, host, x_case=str(number))
        assert f"location: {location}\r\n" in answer.head, REDIRECTS[number]


async def test_mirrors_timeouts_and_retries(mesh, tellers, eventually) -> None:
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "green", "port": 8080}}}
    rules = (
        under("/copied", to("blue"), filters=[mirror]),
        under("/slow", to("blue"), timeouts={"request": "200ms"}),
        under("/flaky", to("green"), retry={"codes": [503], "attempts": 2, "backoff": "10ms"}),
    )
    mesh.manifests.save("route", route(*rules))
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    assert (await request(sidecar, "web", "/copied")).backend == "blue"
    await eventually(lambda: any(head.startswith("get /copied") for head in tellers["green"].heads))
    assert (await request(sidecar, "web", "/slow")).status == 504
    for _ in range(4):
        assert (await request(sidecar, "web", "/flaky")).status == 200
    assert len([head for head in tellers["green"].heads if "/flaky" in head]) > 4


async def test_connections_are_shared_and_refused_by_weight(mesh) -> None:
    blue, vip = await mesh.backend("blue"), virtual_ip()
    tcp = [{"name": "tcp", "port": 5432}]
    mesh.manifests.save("web", service("web", clusterIP=vip, ports=tcp))
    mesh.manifests.save("blue", service("blue"), blue.slice("blue"))
    split = route({"backendRefs": [to("blue", 3), to("nobody", 1)]}, kind="TCPRoute")
    mesh.manifests.save("route", split | {"apiVersion": "gateway.networking.k8s.io/v1alpha2"})
    await mesh.sidecar((await mesh.serve()).port)
    answers = Counter([await answer((vip, 5432)) for _ in range(100)])
    assert answers["blue"] + answers["refused"] == 100
    assert 10 < answers["refused"] < 40


async def answer(address: tuple[str, int]) -> str:
    try:
        return (await ask(address, "any")).body
    except (OSError, EOFError):
        return "refused"


async def is_served(sidecar, name: str) -> bool:
    return (await ask(sidecar.egress, name)).body.partition("\n")[0] == name
