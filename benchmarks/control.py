"""The control port: how the load client moves a server that it measures, and learns what it is.

GET /state tells what is served and by which process; POST /change?service=i&sequence=q makes one change.
It is as small as HTTP can be, since its cost counts as the server's.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import parse_qs, urlsplit


class Fleet(Protocol):
    """What is served, and can be changed."""

    def state(self) -> Mapping[str, object]:
        """`pid`, `services`, `endpoints`, and `ready_s`: how long it took until clients could connect."""

    async def change(self, service: int, sequence: int) -> None:
        """Give one endpoint of a service the address that stands for this change."""


async def control(fleet: Fleet) -> int:
    """Serve until the event loop ends; gives the port, on loopback."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while target := await _request(reader):
            body = json.dumps(await _answer(fleet, target)).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    return port


async def _request(reader: asyncio.StreamReader) -> str:
    """The target of the next request, which has no body; empty when the client is gone."""
    line = await reader.readline()
    while (await reader.readline()).strip():
        pass
    return line.split()[1].decode() if line else ""


async def _answer(fleet: Fleet, target: str) -> Mapping[str, object]:
    url = urlsplit(target)
    if url.path != "/change":
        return fleet.state()
    at_ns = time.time_ns()
    said = parse_qs(url.query)
    await fleet.change(int(said["service"][0]), int(said["sequence"][0]))
    return {"at_ns": at_ns}
