"""How much a client may ask for, and what becomes of one that asks for more, or of everybody else."""

from __future__ import annotations

import asyncio
import logging
import os
import struct
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct

from pilothouse._pb.envoy.config.core.v3.base_pb2 import Node
from pilothouse._pb.envoy.service.discovery.v3 import discovery_pb2 as discovery
from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.dependencies import MOST
from pilothouse.protocol.limits import LONGEST_NAME, LONGEST_VERSION, MOST_NAMES
from pilothouse.server import session
from pilothouse.server.grpc_server import LARGEST_REQUEST

from .conftest import ADS, Server, Stream, cluster, named, service

CLUSTER, ENDPOINTS, LISTENER = ResourceType.CLUSTER, ResourceType.ENDPOINTS, ResourceType.LISTENER


def many(count: int, begin: str = "") -> list[str]:
    return [f"{begin}{number}" for number in range(count)]


async def too_many_names(stream: Stream) -> None:
    await stream.ask(ENDPOINTS, *many(MOST_NAMES + 1))


async def too_long_a_name(stream: Stream) -> None:
    await stream.ask(ENDPOINTS, "x" * (LONGEST_NAME + 1))


@pytest.mark.parametrize(
    ("variant", "field"), [("Stream", "resource_names"), ("Delta", "resource_names_subscribe")]
)
@pytest.mark.parametrize(
    ("ask", "why"),
    [
        (too_many_names, f"more than {MOST_NAMES} names of one type"),
        (too_long_a_name, f"a name has more than {LONGEST_NAME} characters"),
    ],
)
async def test_a_request_for_too_much_ends_its_stream_and_names_the_field(
    server: Server, variant: str, field: str, ask: Callable[[Stream], Awaitable[None]], why: str
) -> None:
    stream = Stream(server.channel, f"{ADS}{variant}AggregatedResources", {})
    await ask(stream)
    assert await stream.ended() == (grpc.StatusCode.INVALID_ARGUMENT, f"{field}: {why}")


async def test_a_subscription_has_a_limit_as_a_whole(server: Server) -> None:
    stream = Stream(server.channel, f"{ADS}DeltaAggregatedResources", {})
    await stream.ask(ENDPOINTS, *many(MOST_NAMES, "a"))
    assert len((await stream.read()).removed_resources) == MOST_NAMES
    await stream.ask(ENDPOINTS, "a0")
    assert (await stream.read()).removed_resources == ["a0"]
    await stream.ask(ENDPOINTS, "b")
    code, why = await stream.ended()
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert why == f"resource_names_subscribe: more than {MOST_NAMES} names of one type"


async def test_a_client_may_come_back_with_all_that_it_was_sent(server: Server) -> None:
    stream = Stream(server.channel, f"{ADS}DeltaAggregatedResources", {})
    await stream.ask(CLUSTER, initial_resource_versions=dict.fromkeys(many(MOST_NAMES + 1), ""))
    gone: list[str] = []
    while len(gone) <= MOST_NAMES:
        said = await stream.read()
        gone += said.removed_resources
        await stream.ask(CLUSTER, response_nonce=said.nonce)
    assert sorted(gone) == sorted(many(MOST_NAMES + 1))


async def test_a_version_is_limited(server: Server) -> None:
    stream = Stream(server.channel, f"{ADS}StreamAggregatedResources", {})
    await stream.ask(CLUSTER, version_info="v" * (LONGEST_VERSION + 1))
    code, why = await stream.ended()
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert why == f"version_info: has more than {LONGEST_VERSION} characters"


def saying(value: Any) -> dict[str, Any]:
    metadata = Struct()
    metadata.update({"pilothouse": value})
    return {"metadata": metadata}


@pytest.mark.parametrize(
    ("node", "field"),
    [
        (saying({"dependencies": many(MOST + 1, "shop/s")}), "node.metadata.pilothouse.dependencies"),
        (saying({"dependencies": [[0] * 50_000]}), "node.metadata.pilothouse"),
        (saying({"node": "n" * 5000}), "node.metadata.pilothouse.node"),
        (saying({"dependencies": ["x" * (1 << 20)]}), "node.metadata"),
        (
            saying({"dependencies": [{"service": "shop/s", "subset": {"v": many(101)}}]}),
            "node.metadata.pilothouse.dependencies[0].subset",
        ),
        ({"id": "x" * 200_000}, "node.id"),
        ({"locality": {"zone": "z" * 5000}}, "node.locality.zone"),
    ],
)
async def test_a_node_that_says_too_much_is_told_where(ads: Any, node: dict[str, Any], field: str) -> None:
    stream = ads(**node)
    await stream.ask(CLUSTER)
    code, why = await stream.ended()
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert why.startswith(f"{field}: has more than ")


async def test_the_most_dependencies_are_served(server: Server, ads: Any) -> None:
    stream = ads(**saying({"dependencies": [*many(MOST - 1, "shop/s"), "shop/orders"]}))
    await stream.ask(CLUSTER)
    assert await stream.names() == [cluster("orders")]


async def test_a_client_that_comes_back_with_ten_thousand_long_names_is_served(server: Server) -> None:
    node = Node(id="web-0", user_agent_name="envoy")
    for number in range(520):
        node.extensions.add(name="x" * 60 + str(number), category="y" * 50)
    names = [f"outbound|65535||{number:0{253}}" for number in range(10_000)]
    request = discovery.DeltaDiscoveryRequest(
        type_url=ENDPOINTS.url,
        node=node,
        resource_names_subscribe=names,
        initial_resource_versions=dict.fromkeys(names, "0123456789abcdef"),
    )
    assert node.ByteSize() > 61_000
    assert len(request.SerializeToString()) < LARGEST_REQUEST
    stream = Stream(server.channel, f"{ADS}DeltaAggregatedResources", {})
    await stream.send(request)
    gone: set[str] = set()
    while len(gone) < len(names):
        said = await stream.read()
        gone.update(said.removed_resources)
        await stream.ask(ENDPOINTS, response_nonce=said.nonce)
    assert gone == set(names)


async def test_a_request_that_is_larger_ends_its_stream(ads: Any) -> None:
    stream = ads()
    await stream.send(b"\x1a\x7f" + bytes(LARGEST_REQUEST))
    assert (await stream.ended())[0] is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_others_have_their_turn_while_a_large_request_is_worked_off(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between any two of the steps, were each to take as long as all may."""
    monkeypatch.setattr(session, "_TURN_S", -1.0)
    server.put(*[service(f"s{number}", "10.0.0.1") for number in range(200)])
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    stream = Stream(server.channel, f"{ADS}DeltaAggregatedResources", {})
    await stream.ask(CLUSTER)
    await stream.names()
    [open] = server.discovery.sessions
    names = [cluster(f"s{number}") for number in range(200)]
    request = discovery.DeltaDiscoveryRequest(type_url=ENDPOINTS.url, resource_names_subscribe=names)
    running = asyncio.create_task(others())
    await open.take(request.SerializeToString())
    running.cancel()
    assert turns >= 200
    assert set(named(await stream.read())) == set(names)


async def test_what_a_client_says_is_cut_where_it_is_kept(server: Server, ads: Any, eventually: Any) -> None:
    stream = ads(id="i" * 10_000)
    await stream.ask(CLUSTER)
    response = await stream.read()
    await stream.accept(response, error="e" * 10_000)

    [session] = server.discovery.sessions
    error = await eventually(lambda: session.stream.subscriptions[CLUSTER].exchange.error)
    assert session.node_id == "i" * 200 + "..."
    assert error == "e" * 500 + "..."


async def test_a_connection_has_so_many_streams_at_once(server: Server, ads: Any, eventually: Any) -> None:
    first = ads()
    await first.ask(LISTENER)
    assert await first.names() == ["egress"]  # and the client knows what the server allows
    streams = [ads() for _ in range(300)]
    asking = [asyncio.create_task(stream.ask(LISTENER)) for stream in streams]
    await eventually(lambda: len(server.discovery.sessions) == 256)
    # A whole answer on another connection later there are no more.
    other = ads(await server.connect())
    await other.ask(LISTENER)
    assert await other.names() == ["egress"]
    assert len(server.discovery.sessions) == 257
    for stream, asked in zip(streams, asking, strict=True):
        stream.call.cancel()
        asked.cancel()
    await asyncio.gather(*asking, return_exceptions=True)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def header(name: str, value: str) -> bytes:
    """A literal header field that is not indexed (RFC 7541, 6.2.2)."""
    return b"".join([b"\0", bytes([len(name)]), name.encode(), bytes([len(value)]), value.encode()])


async def test_to_open_and_reset_streams_without_pause_is_refused(server: Server, ads: Any) -> None:
    """Rapid reset (CVE-2023-44487): each of them would be a stream here."""
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0))
    path = f"{ADS}DeltaAggregatedResources"
    fields = [(":path", path), (":authority", "x"), ("content-type", "application/grpc"), ("te", "trailers")]
    opened = b"\x83\x86" + b"".join(header(*field) for field in fields)
    count = 20_000
    for number in range(1, 2 * count, 2):
        writer.write(frame(1, 4, number, opened) + frame(3, 0, number, struct.pack(">I", 8)))
        if number % 1001 == 0:
            await writer.drain()
    neighbour = ads()
    await neighbour.ask(LISTENER)
    assert await neighbour.names() == ["egress"]
    assert server.discovery.tally.streams_opened < count // 2
    writer.close()


VANISHING = """
import os, sys, time, grpc
from pilothouse._pb.envoy.service.discovery.v3 import discovery_pb2 as discovery
address, method, url = sys.argv[1:]
channel = grpc.insecure_channel(address, [("grpc.http2.lookahead_bytes", 1024), ("grpc.http2.bdp_probe", 0)])
def requests():
    yield discovery.DeltaDiscoveryRequest(type_url=url, node={"id": "gone"}).SerializeToString()
    while True:
        time.sleep(1)
call = channel.stream_stream(method)(requests())
print("reading nothing", flush=True)
sys.stdin.readline()
os.kill(os.getpid(), 9)
"""


async def test_a_client_that_vanishes_while_a_write_is_blocked_is_no_error(
    server: Server, eventually: Any, caplog: pytest.LogCaptureFixture
) -> None:
    server.put(*[service(f"s{number}") for number in range(3000)])
    pipe = asyncio.subprocess.PIPE
    arguments = [f"127.0.0.1:{server.port}", f"{ADS}DeltaAggregatedResources", CLUSTER.url]
    client = await asyncio.create_subprocess_exec(
        sys.executable, "-c", VANISHING, *arguments, stdin=pipe, stdout=pipe, env=os.environ
    )
    assert client.stdin
    assert client.stdout
    await client.stdout.readline()
    await eventually(lambda: any(each.unanswered for each in server.discovery.sessions), within=30)
    with caplog.at_level(logging.INFO):
        client.stdin.write(b"\n")
        await client.wait()
        await eventually(lambda: not server.discovery.sessions)
        stream = Stream(server.channel, f"{ADS}DeltaAggregatedResources", {})
        await stream.ask(LISTENER)
        assert await stream.names() == ["egress"]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
