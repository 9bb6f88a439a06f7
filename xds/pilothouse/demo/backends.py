"""The toy backends: HTTP servers on loopback addresses that answer every request with their name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from pilothouse.demo.mesh import Pod
from pilothouse.demo.traffic import POD_HEADER


@asynccontextmanager
async def serving(pods: Iterable[Pod], port: int) -> AsyncIterator[None]:
    """Run one server for each pod while the block runs. Raises OSError if an address is taken."""
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as servers:
        for pod in pods:
            server = await loop.create_server(partial(_Backend, _answer(pod.name)), pod.address, port)
            servers.callback(server.close)
        yield


def _answer(name: str) -> bytes:
    body = f"{name}\n"
    head = f"HTTP/1.1 200 OK\r\n{POD_HEADER}: {name}\r\ncontent-type: text/plain\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n{body}".encode()


class _Backend(asyncio.Protocol):
    """One connection. Envoy sends GETs without a body here, so a blank line ends each request."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._rest = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *requests, self._rest = (self._rest + data).split(b"\r\n\r\n")
        if requests and self._transport is not None:
            self._transport.write(self._answer * len(requests))
