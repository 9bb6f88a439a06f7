"""Gateway API routes on a Service, with real requests."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from .backends import Backend
from .load import ask
from .manifests import service
from .mesh import virtual_ip

pytestmark = pytest.mark.envoy

_HEAD_END = b"\r\n\r\n"


class Teller(Backend):
    """Answers with its name and the head of the request; with a status, or late, if the path says so."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.heads: list[str] = []

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(_HEAD_END)).decode().lower()
            self.heads.append(head)
            if "/slow" in head:
                await asyncio.sleep(2)
            # Every second request fails, so that one retry is enough.
            status = "503 No" if "/flaky" in head and len(self.heads) % 2 else "200 OK"
            body = f"{self.name}\n{head}".encode()
            writer.write(f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()


class Answer:
    """What came back for a request, and what the backend had been asked."""

    def __init__(self, head: str, body: str) -> None:
        self.head = head
        self.status = int(head.split()[1])
        self.backend, _, self.request = body.partition("\n")


async def request(sidecar, host: str, path: str = "/", method: str = "GET", **headers: str) -> Answer:
    reader, writer = await asyncio.open_connection(*sidecar.egress)
    fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    writer.write(f"{method} {path} HTTP/1.1\r\nhost: {host}\r\n{fields}\r\n".encode())
    head = (await reader.readuntil(_HEAD_END)).decode().lower()
    length = head.partition("content-length: ")[2].partition("\r\n")[0]
    body = await reader.readexactly(int(length or 0))
    writer.close()
    return Answer(head, body.decode())


def route(*rules: dict, kind: str = "HTTPRoute", parent: str = "web") -> dict:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": f"{parent}-{kind.lower()}", "namespace": "shop"},
        "spec": {"parentRefs": [{"group": "", "kind": "Service", "name": parent}], "rules": list(rules)},
    }


def to(name: str, weight: int = 1) -> dict:
    return {"name": name, "port": 8080, "weight": weight}


def under(path: str, *backends: dict, **fields: object) -> dict:
    return {
        "matches": [{"path": {"type": "PathPrefix", "value": path}}],
        "backendRefs": list(backends),
        **fields,
    }


@pytest.fixture
async def tellers(mesh):
    found = {}
    for name in ("web", "blue", "green"):
        found[name] = Teller(name)
        await found[name].start()
        mesh.manifests.save(name, service(name), found[name].slice(name))
    yield found
    for teller in found.values():
        await teller.stop()


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
    assert (await request(sidecar, "web", "/apiary")).status == 404
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
    ({"scheme": "https"}, "web:8080", "https://web:443/"),
    ({"scheme": "https", "hostname": "a.example"}, "web:8080", "https://a.example/"),
    ({"scheme": "https", "hostname": "a.example", "port": 443}, "web:8080", "https://a.example/"),
    ({"scheme": "https", "hostname": "a.example", "port": 8443}, "web:80", "https://a.example:8443/"),
    ({"port": 8443}, "web:8080", "http://web:8443/"),
    ({"port": 80}, "web:8080", "http://web:80/"),
    ({"statusCode": 301}, "web:8080", "http://web:8080/"),
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
