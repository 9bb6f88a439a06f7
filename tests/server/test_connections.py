"""The port itself: who may listen, who may connect, and what it puts up with."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest

from pilothouse.encoding.types import ResourceType
from pilothouse.feeds.pem import Files
from pilothouse.server.certificates import Certificates
from pilothouse.server.grpc_server import Unavailable

from ..authority import Authority, replace
from .conftest import ADS, Server, Stream

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SETTINGS, _PING, _GOAWAY = 4, 6, 7
_EMPTY_SETTINGS = bytes([0, 0, 0, _SETTINGS, 0, 0, 0, 0, 0])


async def test_a_peer_that_pings_without_pause_is_not_turned_away(server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(_PREFACE + _EMPTY_SETTINGS)
    kinds: list[int] = []
    for number in range(20):
        writer.write(bytes([0, 0, 8, _PING, 0, 0, 0, 0, 0]) + number.to_bytes(8))
        while kinds.count(_PING) <= number:
            head = await asyncio.wait_for(reader.readexactly(9), 10)
            await reader.readexactly(int.from_bytes(head[:3]))
            kinds.append(head[3])
    assert _GOAWAY not in kinds
    writer.close()
    await writer.wait_closed()


async def test_bytes_that_are_not_http2_hurt_nobody(server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" + bytes(1000))
    await reader.read()
    writer.close()
    stream = Stream(server.channel, f"{ADS}DeltaAggregatedResources", {})
    await stream.ask(ResourceType.LISTENER)
    assert await stream.names() == ["egress"]


async def test_an_address_that_is_taken_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Unavailable, match=f"cannot listen for xDS on {address}: Address already in use$"):
            await Server().start(AsyncExitStack(), address=address)


async def test_with_a_client_ca_a_client_needs_a_certificate_of_it(tmp_path: Path) -> None:
    ca, others = Authority(), Authority()
    cert, key = map(Path, ca.issue("127.0.0.1").write(tmp_path, "tls"))
    files = Files(cert, key, tmp_path / "ca.crt")
    replace(tmp_path / "ca.crt", ca.pem)
    clients = {"known": ca.issue("web.test"), "unknown": others.issue("web.test"), "anonymous": None}
    ends: dict[str, object] = {}
    async with AsyncExitStack() as cleanup:
        server = Server()
        await server.start(cleanup, Certificates(files))
        for name, pair in clients.items():
            identity = (pair.key, pair.cert) if pair else ()
            credentials = grpc.ssl_channel_credentials(ca.pem, *identity)
            async with grpc.aio.secure_channel(f"127.0.0.1:{server.port}", credentials) as channel:
                stream = Stream(channel, f"{ADS}DeltaAggregatedResources", {})
                try:
                    await stream.ask(ResourceType.LISTENER)
                    ends[name] = await stream.names()
                except (grpc.RpcError, asyncio.InvalidStateError):
                    ends[name] = (await stream.ended())[0]
    refused = grpc.StatusCode.UNAVAILABLE
    assert ends == {"known": ["egress"], "unknown": refused, "anonymous": refused}
