"""The process of the webhook over real sockets, beside a fake API server: reviews, probes, and what goes
wrong.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, TypeAlias

import httpx
import pytest
from structlog.testing import capture_logs

from pilothouse.apiserver.kubeconfig import Access
from pilothouse.kubernetes.annotations.sidecars import INJECT
from pilothouse.sidecar.wishes import Template
from pilothouse.structures.hostport import HostPort
from pilothouse.webhook import reviewing
from pilothouse.webhook.keeping import Place
from pilothouse.webhook.reviewing import LARGEST
from pilothouse.webhook.run import Webhook, run

from ..apiserver.fake import FakeApi
from ..sidecar.test_admission import asked, patch_of
from .test_keeping import CONFIGURATION, SECRET, kept

Connection: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]

LOOPBACK = "127.0.0.1"
NAME = "pilothouse-webhook.pilothouse.svc"
PLACE = Place("pilothouse", "pilothouse-webhook", "pilothouse-webhook", "pilothouse")
TEMPLATE = Template("envoy:1", "pilothouse:1", HostPort("pilothouse.pilothouse.svc", 18000))


class Running(NamedTuple):
    """A process of the webhook in this one: its ports, and its log."""

    api: FakeApi
    port: int
    probes: int
    logs: list[Any]

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=kept(self.api).bundle.decode())

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[httpx.AsyncClient]:
        """As the API server does: it trusts the CA that it was told, and knows the name of the Service."""
        address = f"https://{LOOPBACK}:{self.port}"
        async with httpx.AsyncClient(base_url=address, verify=self.tls, trust_env=False) as client:
            yield client

    async def review(self, client: httpx.AsyncClient, content: bytes) -> httpx.Response:
        return await client.post("/inject", content=content, extensions={"sni_hostname": NAME})

    async def answers(self) -> bool:
        async with self.asking() as client:
            answer = (await self.review(client, json.dumps(asked()).encode())).json()
        return "/spec/initContainers" in patch_of(answer["response"])

    async def readiness(self) -> tuple[int, str]:
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"http://{LOOPBACK}:{self.probes}/readyz")
        return answer.status_code, answer.text

    def reasons(self, event: str) -> list[str]:
        return [line.get("reason", "") for line in self.logs if line["event"] == event]


@pytest.fixture
def api() -> Iterator[FakeApi]:
    fake = FakeApi()
    fake.written[CONFIGURATION] = {
        "metadata": {"name": "pilothouse", "resourceVersion": "1"},
        "webhooks": [{"name": "a", "clientConfig": {}}],
    }
    yield fake
    fake.close()


@asynccontextmanager
async def run_beside(api: FakeApi) -> AsyncIterator[Running]:
    opened: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
    free = HostPort(LOOPBACK, 0)
    webhook = Webhook(free, free, PLACE, TEMPLATE, Access(api.url))
    with capture_logs() as logs:
        running = asyncio.create_task(run(webhook, lambda *ports: opened.set_result(ports)))
        await asyncio.wait((running, opened), return_when=asyncio.FIRST_COMPLETED)
        yield Running(api, *opened.result(), logs)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def webhook(api: FakeApi, eventually) -> AsyncIterator[Running]:
    async with run_beside(api) as running:

        async def is_ready() -> bool:
            return (await running.readiness())[0] == 200

        await eventually(is_ready)
        yield running


async def test_a_review_is_answered_over_tls_that_the_api_server_trusts(webhook: Running) -> None:
    assert await webhook.answers()
    assert [line["pod"] for line in webhook.logs if line["event"] == "sidecar added"] == ["shop/web-*"]


async def test_a_pod_that_is_refused_is_logged_with_the_reason(webhook: Running) -> None:
    async with webhook.asking() as client:
        await webhook.review(client, json.dumps(asked({INJECT: "perhaps"})).encode())
        await webhook.review(client, json.dumps(asked({INJECT: "false"})).encode())
    (refused,) = webhook.reasons("pod refused")
    assert "'perhaps' is neither true nor false" in refused
    assert webhook.reasons("no sidecar") == [f"has the annotation {INJECT}: false"]


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        (b"", 400, "the body is no JSON that can be read"),
        (b"garbage", 400, "the body is no JSON that can be read"),
        (b'{"request": \xff}', 400, "the body is no JSON that can be read"),
        (b"[" * 100_000, 400, "the body is no JSON that can be read"),
        (b'{"kind": "Pod"}', 400, "the body is no AdmissionReview"),
        (b" " * 10_000_000, 413, f"the body is larger than {LARGEST} bytes"),
    ],
    ids=["empty", "garbage", "not UTF-8", "deep", "another object", "10 MB"],
)
async def test_what_is_no_review_is_one_line(webhook: Running, content, status, reason) -> None:
    async with webhook.asking() as client:
        try:
            assert (await webhook.review(client, content)).status_code == status
        except httpx.TransportError:
            assert status == 413, "only of what is too large the rest is not read"
    (said,) = webhook.reasons("a review cannot be answered")
    assert said.startswith(reason)
    assert await webhook.answers()


async def test_a_pod_as_deep_as_no_other_is_one_line(webhook: Running) -> None:
    question = json.dumps(asked(x="DEEP")).replace('"DEEP"', "[" * 900 + "]" * 900)
    async with webhook.asking() as client:
        answer = await webhook.review(client, question.encode())
    assert answer.status_code in (200, 400)
    assert await webhook.answers()


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/inject", 405), ("POST", "/other", 404)])
async def test_nothing_else_is_there(webhook: Running, method, path, status) -> None:
    async with webhook.asking() as client:
        answer = await client.request(method, path, extensions={"sni_hostname": NAME})
    assert answer.status_code == status


async def test_a_body_that_comes_too_slowly_is_not_waited_for(webhook: Running, monkeypatch) -> None:
    monkeypatch.setattr(reviewing, "_BODY_S", 0.05)
    reader, writer = await asyncio.open_connection(
        LOOPBACK, webhook.port, ssl=webhook.tls, server_hostname=NAME
    )
    writer.write(b"POST /inject HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
    writer.close()
    assert webhook.reasons("a review cannot be answered") == ["the body has not come within 0.05 s"]
    assert await webhook.answers()


async def test_bodies_together_take_no_more_room_than_there_is(webhook: Running, monkeypatch) -> None:
    monkeypatch.setattr(reviewing, "_ROOM", 100_000)
    async with webhook.asking() as client:
        assert (await webhook.review(client, b" " * 200_000)).status_code == 503
    assert await webhook.answers(), "the room is free again"


async def test_who_speaks_no_tls_or_nothing_at_all_is_let_go(webhook: Running) -> None:
    async def dialled(first: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(LOOPBACK, webhook.port)
        writer.write(first)
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""
        finally:
            writer.close()

    said = [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01garbage" * 100, b""]
    answers = await asyncio.gather(*(dialled(each) for each in said))
    assert all(b"HTTP" not in answer for answer in answers)
    assert await webhook.answers()


async def test_a_thousand_reviews_at_once_are_answered(webhook: Running) -> None:
    content, tls, few = json.dumps(asked()).encode(), webhook.tls, asyncio.Semaphore(50)
    head = f"POST /inject HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(content)}\r\n\r\n"

    async def dialled() -> Connection:
        async with few:
            return await asyncio.open_connection(LOOPBACK, webhook.port, ssl=tls, server_hostname=NAME)

    async def reviewed(connection: Connection) -> bytes:
        reader, writer = connection
        writer.write(head.encode() + content)
        answer = await reader.read()
        writer.close()
        return answer.partition(b"\r\n")[0]

    connections = await asyncio.gather(*(dialled() for _ in range(1000)))
    assert {*await asyncio.gather(*map(reviewed, connections))} == {b"HTTP/1.1 200 OK"}


async def test_without_an_api_server_it_is_alive_and_not_ready_and_waits(api: FakeApi, eventually) -> None:
    api.stop()
    async with run_beside(api) as running:
        await eventually(lambda: running.reasons("the certificates of the webhook cannot be kept"))
        assert await running.readiness() == (503, "there is no certificate yet\n")
        api.start()
        await eventually(lambda: SECRET in api.written)

        async def is_ready() -> bool:
            return await running.readiness() == (200, "ready\n")

        await eventually(is_ready)
        assert await running.answers()


async def test_it_goes_on_with_its_certificate_when_the_api_server_is_gone(webhook: Running) -> None:
    webhook.api.stop()
    assert await webhook.answers()
    assert (await webhook.readiness())[0] == 200


async def test_an_address_that_is_taken_is_told_in_a_line(api: FakeApi) -> None:
    async with run_beside(api) as running:
        taken, free = HostPort(LOOPBACK, running.port), HostPort(LOOPBACK, 0)
        with pytest.raises(OSError, match=r"the webhook cannot listen on 127\.0\.0\.1:"):
            await run(Webhook(taken, free, PLACE, TEMPLATE, Access(api.url)))
