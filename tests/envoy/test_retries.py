"""Which attempts are made again: whose answer, be it Envoy's own, has one of the codes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from ..ports import free_port
from .backends import Backend
from .manifests import endpoint_slice, service
from .routes import request, route, to, under

pytestmark = pytest.mark.envoy

Doing = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def late(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(10)


async def breaks(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def garbles(writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x00\x01 is not HTTP\r\n\r\n")


async def fails(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 504 No\r\ncontent-length: 0\r\n\r\n")


class Moody(Backend):
    """Answers its first request in an odd way, and all others as any backend does."""

    first: Doing
    attempts = 0

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            self.attempts += 1
            if self.attempts == 1:
                await self.first(writer)
            else:
                body = self.name.encode()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()


# What becomes of a first attempt, the codes to retry, and what the client sees in the end.
CASES = [
    (late, [504], 200),
    (late, [500], 504),
    (breaks, [503], 200),
    (breaks, [500], 503),
    (garbles, [502], 200),
    (garbles, [500], 502),
    (fails, [504], 200),
    (fails, [503], 504),
]


async def test_an_attempt_is_made_again_if_it_comes_to_one_of_the_codes(mesh) -> None:
    rules = []
    for number, (first, codes, _) in enumerate(CASES):
        name = f"moody-{number}"
        backend = await mesh.backend(name, kind=Moody)
        backend.first = first
        mesh.manifests.save(name, service(name), backend.slice(name))
        again = {"codes": codes, "attempts": 1}
        rules.append(under(f"/{number}", to(name), timeouts={"backendRequest": "3s"}, retry=again))
    mesh.manifests.save("web", service("web"), route(*rules))
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    for number, (first, codes, status) in enumerate(CASES):
        answer = await request(sidecar, "web", f"/{number}")
        assert answer.status == status, (first.__name__, codes)


async def test_a_refused_connection_counts_as_503(mesh) -> None:
    good, again = await mesh.backend("good"), {"codes": [503], "attempts": 3}
    nobody = endpoint_slice("web", "127.0.0.1", free_port())
    nobody["metadata"]["name"] = "nobody"
    mesh.manifests.save(
        "web", service("web"), good.slice("web"), nobody, route(under("/", to("web"), retry=again))
    )
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    assert {(await request(sidecar, "web")).status for _ in range(10)} == {200}
