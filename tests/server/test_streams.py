"""What a client of the xDS server may count on, whatever other clients do."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import grpc
import pytest

from pilothouse.admin.reading.proxies import standing
from pilothouse.encoding.types import ResourceType
from pilothouse.server.session import STALE_S

from .conftest import cluster, named, service

CLUSTER, ENDPOINTS, LISTENER = ResourceType.CLUSTER, ResourceType.ENDPOINTS, ResourceType.LISTENER
BOTH = [cluster("orders"), cluster("payments")]


async def test_a_client_gets_what_is_there_and_then_what_changes(server, ads) -> None:
    stream = ads()
    await stream.ask(CLUSTER)
    assert await stream.names() == BOTH
    await stream.ask(ENDPOINTS, cluster("payments"))
    assert await stream.names() == [cluster("payments")]
    server.put(service("payments", "10.0.0.1"))
    response = await stream.read()
    assert response.type_url == ENDPOINTS.url
    assert named(response) == [cluster("payments")]
    assert b"10.0.0.1" in response.SerializeToString()


async def test_many_streams_share_one_connection(server, ads) -> None:
    streams = [ads() for _ in range(150)]
    for stream in streams:
        await stream.ask(CLUSTER)
    assert await asyncio.gather(*[stream.names() for stream in streams]) == [BOTH] * 150
    assert len(server.discovery.sessions) == 150
    assert len({session.peer for session in server.discovery.sessions}) == 1
    server.put(service("web"))
    for stream in streams:
        assert cluster("web") in named(await stream.read())


async def test_a_client_that_is_done_sending_ends_its_stream_well(server, ads, eventually) -> None:
    stream = ads()
    await stream.ask(CLUSTER)
    await stream.read()
    await stream.call.done_writing()
    assert (await stream.ended())[0] is grpc.StatusCode.OK
    await eventually(lambda: not server.discovery.sessions)


async def test_a_client_that_vanishes_is_forgotten(server, ads, eventually) -> None:
    stream = ads()
    await stream.ask(CLUSTER)
    await stream.read()
    stream.call.cancel()
    await eventually(lambda: not server.discovery.sessions)
    server.put(service("web"))
    tally = server.discovery.tally
    assert (tally.streams_opened, tally.streams_closed) == (1, 1)


async def test_a_client_that_does_not_read_holds_nobody_up(server, ads) -> None:
    # More than flow control lets through while nobody reads.
    server.put(*[service(f"many-{number}") for number in range(1000)])
    lazy, keen = ads(await server.connect(("grpc.http2.lookahead_bytes", 1024))), ads()
    await lazy.ask(CLUSTER)
    await keen.ask(CLUSTER)
    assert len(await keen.names()) == 1002
    for number in range(20):
        server.put(service(f"more-{number}"))
        assert cluster(f"more-{number}") in await keen.names()
    lazy.call.cancel()


async def test_a_client_that_does_not_answer_for_long_lags_behind(server, ads) -> None:
    async def lagging() -> tuple[int, bool]:
        found = (await standing(server.discovery)).types["CDS"]
        assert found.awaiting_ack == 1
        return found.lagging, found.oldest_s > STALE_S

    stream = ads()
    await stream.ask(CLUSTER)
    response = await stream.read()
    assert await lagging() == (0, False)
    [session] = server.discovery.sessions
    session.stream.subscriptions[CLUSTER].exchange.since -= STALE_S
    assert await lagging() == (1, True)
    await stream.accept(response)
    server.put(service("web"))
    await stream.read()
    assert await lagging() == (0, False)


async def test_a_large_request_is_read(server, ads) -> None:
    """Five MiB, as of a client that comes back with tens of thousands of clusters; gRPC's default is four."""
    stream, names = ads(), [f"outbound|8080||{'x' * 80}-{number}.shop" for number in range(50_000)]
    await stream.ask(CLUSTER)
    await stream.names()
    await stream.ask(ENDPOINTS, *names, cluster("payments"))
    response = await stream.read()
    assert cluster("payments") in named(response)


async def test_a_rejected_response_is_counted_and_the_next_change_is_sent(server, ads, eventually) -> None:
    stream = ads()
    await stream.ask(CLUSTER)
    response = await stream.read()
    await stream.accept(response, error="no such thing")
    await eventually(lambda: server.discovery.tally.rejects[CLUSTER] == 1)
    server.put(service("web"))
    assert cluster("web") in await stream.names()


async def test_every_stream_ends_with_unavailable_when_the_server_stops(server, ads) -> None:
    streams = [ads() for _ in range(3)]
    for stream in streams:
        await stream.ask(CLUSTER)
        await stream.read()
    server.discovery.drain()
    for stream in streams:
        assert await stream.ended() == (grpc.StatusCode.UNAVAILABLE, "the control plane is stopping")


async def test_a_client_that_does_not_read_does_not_keep_the_server_from_stopping(server, ads) -> None:
    server.put(*[service(f"many-{number}") for number in range(1000)])
    lazy = ads()
    await lazy.ask(CLUSTER)
    await asyncio.wait_for(server.stop(), 30)
    # It may read what was under way, and then how it ended: by the status, if there was room to send one
    # behind that, or by the end of the connection, which gRPC reports as either.
    with suppress(grpc.RpcError):
        await lazy.read()
    assert (await lazy.ended())[0] in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


async def test_a_client_that_comes_back_with_a_cluster_that_is_gone_need_not_wait_for_it(server, ads) -> None:
    """Envoy asks for clusters only when none is warming, so the first it asks for may be endpoints."""
    stream, gone = ads(), cluster("gone")
    state = (
        {"initial_resource_versions": {cluster("payments"): "1"}} if stream.delta else {"version_info": "1"}
    )
    await stream.ask(ENDPOINTS, gone, cluster("payments"), **state)
    response = await stream.read()
    assert gone in (response.removed_resources if stream.delta else named(response))


async def test_types_do_not_wait_for_one_that_is_not_acknowledged(server, ads) -> None:
    stream = ads()
    await stream.ask(CLUSTER)
    await stream.read()
    await stream.ask(LISTENER)
    assert await stream.names() == ["egress"]


@pytest.mark.parametrize(
    "url", ["type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration", "nonsense"]
)
async def test_a_type_that_is_not_served_hurts_no_other(server, ads, url) -> None:
    stream = ads()
    await stream.ask(url, "a")
    await stream.ask(CLUSTER)
    assert await stream.names() == BOTH
    assert server.discovery.tally.requests[None] == 1
