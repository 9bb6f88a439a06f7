"""What becomes of a client that does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs

from pilothouse.encoding.types import ResourceType
from pilothouse.server.healing import Patience, heal
from pilothouse.server.session import STALE_S, Session

from .conftest import ADS, Stream, cluster, named, service

CLUSTER, ENDPOINTS = ResourceType.CLUSTER, ResourceType.ENDPOINTS
LONG_S = 1000.0


@asynccontextmanager
async def healed(server, resend_s: float = LONG_S, close_s: float = LONG_S) -> AsyncIterator[None]:
    """The streams are looked after all the time."""
    healing = asyncio.create_task(heal(server.discovery, Patience(resend_s, close_s, look_s=0.01)))
    try:
        yield
    finally:
        healing.cancel()


def of(server, node: str) -> Session:
    [session] = server.discovery.roster.of(node)
    return session


def ages(session: Session, seconds: float) -> None:
    """The client owes its answers for longer than it does."""
    for each in session.stream.subscriptions.values():
        each.exchange.since -= seconds


async def test_a_client_that_does_not_answer_is_sent_the_same_again_once(server, ads, eventually) -> None:
    stream = ads()
    await stream.ask(CLUSTER)
    first = await stream.read()
    ages(of(server, "web-0"), 20)
    with capture_logs() as log:
        async with healed(server, resend_s=20):
            again = await stream.read()
    assert named(again) == named(first)
    assert again.nonce != first.nonce
    assert server.discovery.tally.stale_resent == 1
    [line] = [each for each in log if "sent the same again" in each["event"]]
    assert (line["node"], line["types"]) == ("web-0", ["CDS"])
    assert line["unanswered_s"] >= 20
    async with healed(server, resend_s=20):
        await stream.accept(again)
        server.put(service("web"))
        assert cluster("web") in named(await stream.read())
    assert server.discovery.tally.stale_resent == 1


async def test_a_client_that_still_does_not_answer_is_told_why_its_stream_ends(
    server, ads, eventually
) -> None:
    stream = ads()
    await stream.ask(CLUSTER)
    await stream.read()
    ages(of(server, "web-0"), 60)
    with capture_logs() as log:
        async with healed(server, close_s=60):
            code, why = await stream.ended()
            await eventually(server.discovery.roster.gone)
    assert code is grpc.StatusCode.UNAVAILABLE
    assert why == "no answer to CDS for 60 s: reconnect"
    assert server.discovery.tally.stale_closed == 1
    [gone] = server.discovery.roster.gone()
    assert (gone.node, gone.reason, [type for type, _ in gone.unanswered]) == ("web-0", why, ["CDS"])
    [line] = [each for each in log if each["event"] == "stream closed"]
    assert (line["node"], line["reason"], line["unanswered"]) == ("web-0", why, ["CDS"])
    assert line["log_level"] == "warning"


async def test_envoy_that_warms_its_clusters_is_left_alone(server, ads, eventually) -> None:
    """It answers about endpoints that were sent later, and about clusters when they are warm."""
    warming, silent = ads(), ads(await server.connect(), id="web-1")
    await warming.ask(CLUSTER)
    await warming.read()
    await warming.ask(ENDPOINTS, cluster("payments"))
    await warming.names()
    await silent.ask(CLUSTER)
    await silent.read()
    for node in ("web-0", "web-1"):
        ages(of(server, node), 60)
    async with healed(server, close_s=60):
        await silent.ended()
    async with healed(server, resend_s=20):
        server.put(service("payments", "10.0.0.1"))
        assert (await warming.read()).type_url == ENDPOINTS.url
    assert server.discovery.tally.stale_resent == 0


@pytest.mark.parametrize("method", ["StreamAggregatedResources", "DeltaAggregatedResources"])
async def test_a_client_that_does_not_read_is_sent_nothing_on_top_and_its_stream_ends(
    server, eventually: Callable[..., Any], method: str
) -> None:
    server.put(*(service(f"{'x' * 40}-{number}") for number in range(3000)))
    # Without probes, gRPC never takes more of a response than this before it is read.
    channel = await server.connect(("grpc.http2.lookahead_bytes", 1024), ("grpc.http2.bdp_probe", 0))
    stream = Stream(channel, ADS + method, {"id": "web-0"})
    await stream.ask(CLUSTER)
    await eventually(lambda: any(each.unanswered for each in server.discovery.roster.of("web-0")))
    session = of(server, "web-0")
    await eventually(lambda: session._writer is not None)
    ages(session, 60)
    async with healed(server, resend_s=20, close_s=60):
        await eventually(lambda: not server.discovery.sessions)
    assert server.discovery.tally.stale_resent == 0
    assert server.discovery.tally.stale_closed == 1
    other = Stream(await server.connect(), ADS + method, {"id": "web-1"})
    await other.ask(CLUSTER)
    assert len(await other.names()) == 3002


async def test_a_client_that_is_gone_without_an_answer_is_named_with_how_long_it_owed_it(
    server, ads, eventually
) -> None:
    stream = ads()
    await stream.ask(CLUSTER)
    await stream.read()
    ages(of(server, "web-0"), STALE_S + 24)
    with capture_logs() as log:
        stream.call.cancel()
        await eventually(server.discovery.roster.gone)
    [gone] = server.discovery.roster.gone()
    assert gone.reason == "the client ended it or is gone; it had not answered for 34 s"
    [line] = [each for each in log if each["event"] == "stream closed"]
    assert (line["node"], line["log_level"], line["unanswered"]) == ("web-0", "warning", ["CDS"])
