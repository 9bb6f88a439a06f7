"""The API without a network: what fits the schema, what a mistake is answered with, and what costs little."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any, cast

import httpx
import pytest

from pilothouse._pb.envoy.config.core.v3.base_pb2 import Node
from pilothouse._pb.envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest
from pilothouse.admin.api.events import Events
from pilothouse.admin.api.openapi import document
from pilothouse.admin.api.pages import PAGES, PREFIX
from pilothouse.admin.http import admin
from pilothouse.admin.reading.following import Following
from pilothouse.admin.reading.reader import Reader
from pilothouse.admin.reading.services import Parts
from pilothouse.admin.status import HoldStatus, SourceStatus, Status
from pilothouse.encoding.types import ResourceType
from pilothouse.journal.journal import Journal
from pilothouse.mesh.audience import OPEN, audience
from pilothouse.model.policy import Policy
from pilothouse.model.services import Service, ServiceName
from pilothouse.protocol.sotw import SOTW
from pilothouse.protocol.stream import Stream
from pilothouse.registry.drains import Drain, Target
from pilothouse.registry.merged import Registry
from pilothouse.server.discovery import Discovery
from pilothouse.server.session import Session
from pilothouse.serving.catalogue import Catalogue
from pilothouse.serving.census import Census
from pilothouse.serving.world import World
from pilothouse.sources import Cause
from pilothouse.sources.files.source import FilesSource

from .schema import misfits

FILE = {"name": "a.yaml", "text": "kind: Service"}
SENT: dict[str, Any] = {"/resources": {"id": "web-9"}, "/what-if": {"files": [FILE]}}
LISTS = [page.path for page in PAGES if page.answer.__name__.endswith("List") and "{" not in page.path]


BAD = ServiceName("shop", "s1")
HOLDING = SourceStatus("xtra", synced=True, hold=HoldStatus(3, 9, ("shop/a", "shop/b"), 1.0, 2.0))
ASKED = {
    "/proxies/{node:path}": ("/proxies/web-7", "/proxies/web-8"),
    "/proxies/{node:path}/resources": (
        "/proxies/web-7/resources",
        "/proxies/web-7/resources?type=CDS&content=yes",
    ),
    "/proxies/{node:path}/diff": ("/proxies/web-7/diff", "/proxies/web-7/diff?type=CDS&content=yes"),
    "/services/{namespace}/{name}": ("/services/shop/s0", "/services/shop/s1"),
    "/resources": ("/resources", "/resources?type=EDS&content=yes"),
    "/changes/{number}": ("/changes/1", "/changes/2"),
    "/explain": (
        "/explain?name=s1.shop",
        "/explain?name=s0.shop&endpoint=10.0.0.1",
        "/explain?name=s0.shop&endpoint=10.9.9.9",
        "/explain?name=s0.shop:81",
        "/explain?name=s9.shop",
        "/explain?name=s1&proxy=web-7",
    ),
}


class Nobody:
    """The transport of a stream whose other end is this test."""

    def peer(self) -> str:
        return "ipv4:127.0.0.1:1"

    async def write(self, _: bytes) -> None:
        return None


class Starting(Reader):
    """Answers before there are parts to ask."""

    def __init__(self, said: Status) -> None:
        catalogue = Catalogue()
        registry, discovery = Registry(["files"]), Discovery(catalogue)
        parts = Parts(registry, catalogue, Census(catalogue, {}))
        events = Events(Following(lambda: said, parts, discovery))
        super().__init__(lambda: said, parts, discovery, events, Journal())


async def rejecting(discovery: Discovery, node: str = "web-7") -> Session:
    """A proxy that has all clusters and rejects the last ones that it was sent."""
    said = Session(
        Stream(SOTW),
        None,
        cast(Any, Nobody()),
        lambda node, _: World(discovery._catalogue, audience(node, OPEN, ""), discovery.shelves),
        discovery.tally,
        discovery.rejections,
    )
    url = ResourceType.CLUSTER.url
    await said.take(DiscoveryRequest(type_url=url, node=Node(id=node)).SerializeToString())
    nonce = said.stream.subscriptions[ResourceType.CLUSTER].exchange.nonce
    nack = DiscoveryRequest(type_url=url, response_nonce=nonce)
    nack.error_detail.message = "outbound|80||s1.shop.svc.cluster.local: no"
    await said.take(nack.SerializeToString())
    discovery._conversations[said] = None
    return said


@pytest.fixture
async def api(busy: Status, make_service: Callable[..., Service]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API over a few services, of which one is in quarantine, and a proxy that rejects it.

    What a source says is that of `busy`.
    """
    registry, catalogue = Registry(["files"]), Catalogue()
    shard = registry.shard("files")
    shard.replace([make_service(f"shop/s{number}", "10.0.0.1") for number in range(5)], cause=Cause("a.yaml"))
    catalogue.apply([*registry.services], registry.services)
    registry.revisions.take()
    bad = registry.services[BAD]
    shard.put(replace(bad, spec=replace(bad.spec, cluster_domain="line\nbreak")), Cause("b.yaml"))
    catalogue.apply([BAD], registry.services)
    target = Target("10.9.9.9", 80, BAD)
    registry.drains.replace(
        [Drain(target, "alice", "", 0.0, 1.0), Drain(Target("10.9.9.9"), "bob", "why", 0.0, 1.0)]
    )
    discovery = Discovery(catalogue)
    discovery.roster.meet(await rejecting(discovery))
    other = registry.services[ServiceName("shop", "s3")]  # of which web-7 was sent an older version
    newer = replace(other, spec=replace(other.spec, policy=Policy(connect_timeout_ms=7)))
    catalogue.apply([other.name], {other.name: newer})
    gone = await rejecting(discovery, "web-8")
    discovery.roster.meet(gone)
    discovery.roster.part(gone, "it is gone")
    del discovery._conversations[gone]
    gone.end()
    census = Census(catalogue, registry.services)
    parts = Parts(registry, catalogue, census, [FilesSource([])])
    said = replace(busy, sources=(*busy.sources, HOLDING))
    events, journal = Events(Following(lambda: said, parts, discovery)), Journal()
    journal.noted("ann", "drains 10.0.0.1", "shop/s0")
    reader = Reader(lambda: said, parts, discovery, events, journal)
    transport = httpx.ASGITransport(app=admin(lambda: busy, lambda: reader))
    async with httpx.AsyncClient(
        transport=transport, base_url=f"http://admin{PREFIX}", verify=False
    ) as client:
        yield client


@pytest.mark.parametrize("path", [page.path for page in PAGES])
async def test_every_answer_fits_its_schema(api, path) -> None:
    document = (await api.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    [operation] = document["paths"][PREFIX + path.replace(":path", "")].values()
    said = operation["responses"]["200"]
    schema = said["content"]["application/json"]["schema"]
    for asked in ASKED.get(path, (path,)):
        answer = await api.post(asked, json=SENT[path]) if path in SENT else await api.get(asked)
        assert answer.status_code == 200, answer.text
        assert answer.json().get("items") != [], "an empty list fits any schema"
        assert [*misfits(answer.json(), schema, schemas)] == []


def test_what_does_not_fit_is_found() -> None:
    schemas = document("1")["components"]["schemas"]
    assert [*misfits({"items": [{}]}, {"$ref": "#/components/schemas/SourceList"}, schemas)]


async def test_a_service_in_quarantine_is_shown_with_the_reason_and_what_is_in_force(api) -> None:
    rows = {row["name"]: row["quarantined"] for row in (await api.get("/services")).json()["items"]}
    assert rows == {"s0": False, "s1": True, "s2": False, "s3": False, "s4": False}
    detail = (await api.get("/services/shop/s1")).json()
    held = detail["quarantined"]
    assert "must match" in held["reason"]
    assert held["served"] is True
    assert detail["place"] == "b.yaml"
    assert "quarantined" in {why["code"] for why in detail["left_out"]}
    assert "quarantined" not in (await api.get("/services/shop/s2")).json()
    [nack] = (await api.get("/nacks")).json()["items"]
    assert nack["services"] == [
        {"service": "shop/s1", "quarantined": True, "source": "files", "place": "b.yaml"}
    ]
    walk = (await api.get("/explain", params={"name": "s1.shop"})).json()
    assert walk["found"]
    assert "quarantined" in {why["code"] for why in walk["left_out"]}


async def test_the_status_says_that_the_port_is_not_open_yet(api) -> None:
    said = (await api.get("/status")).json()
    assert not any(reason.startswith("starting:") for reason in said["reasons"])
    starting = Status("1", 0.0, listening=False, sources=(SourceStatus("files", synced=True),))
    transport = httpx.ASGITransport(app=admin(lambda: starting, lambda: Starting(starting)))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://admin{PREFIX}") as client:
        said = (await client.get("/status")).json()
    assert said["ready"] is False
    assert any(reason.startswith("starting:") for reason in said["reasons"])


def _nulls(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_nulls, value.values()))
    return any(map(_nulls, value)) if isinstance(value, list) else value is None


async def test_what_is_unknown_is_absent_and_times_are_text(api) -> None:
    found = (await api.get("/sources")).json()["items"]
    assert not _nulls(found)
    consul, files, _ = found
    assert "last_report" not in consul
    assert files["last_report"] == "2023-11-14T22:15:00.000Z"
    [fault] = files["faults"]
    assert (fault["file"], fault["line"]) == ("shop.yaml", 7)


async def test_the_same_answer_is_not_sent_again(api) -> None:
    first = await api.get("/sources")
    again = await api.get("/sources", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = await api.get("/status", headers={"if-none-match": first.headers["etag"]})
    assert other.status_code == 200


@pytest.mark.parametrize("path", LISTS)
async def test_every_list_has_pages(api, path) -> None:
    whole = (await api.get(path)).json()["items"]
    found, after = [], {}
    for _ in range(len(whole) + 1):
        page = (await api.get(path, params={"limit": 1, **after})).json()
        found += page["items"]
        if "next" not in page:
            break
        after = {"after": page["next"]}
    assert found == whole


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("limit=0", "limit: must be a number from 1 to 1000, not '0'"),
        ("limit=1001", "limit: must be a number from 1 to 1000, not '1001'"),
        ("limit=x", "limit: must be a number from 1 to 1000, not 'x'"),
        ("limit=1&limit=2", "limit: is given twice"),
        ("sort=name", "sort: is not a parameter; known are limit, after"),
    ],
)
async def test_a_parameter_that_is_wrong_is_named(api, query, error) -> None:
    answer = await api.get(f"/sources?{query}")
    assert (answer.status_code, answer.json()) == (400, {"error": error})


async def test_a_page_without_parameters_takes_none(api) -> None:
    answer = await api.get("/status?limit=1")
    assert answer.json() == {"error": "limit: is not a parameter; this page has none"}
