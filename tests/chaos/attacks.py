"""Clients that misbehave: `python -m tests.chaos.attacks NAME ARGUMENT...`; most go on for ever."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc

from ..wire.stream import VARIANTS, node, path
from ..wire.topics import CDS, EDS
from . import http2

_UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
_ADS = path("delta", None)


async def requests_of_4_mb(port: str) -> None:
    """One request after the other, each with 100,000 names of 40 bytes, in both variants."""
    names = [f"outbound|8080||{number:06}.shop.svc.cluster" for number in range(95_000)]
    while True:
        for variant in VARIANTS:
            await _asked(int(port), variant, names)


async def million_names(port: str) -> None:
    """Eight streams that each name a million clusters, in requests of less than 4 MB, and then go."""
    for number in range(8):
        names = [f"{number}{name:x}" for name in range(1_000_000)]
        pieces = [names[start : start + 250_000] for start in range(0, len(names), 250_000)]
        await _asked(int(port), "delta", *pieces)


async def _asked(port: int, variant: str, *pieces: list[str]) -> None:
    """Ask for names, and go when there is an answer or the stream is ended."""
    field = "resource_names" if variant == "sotw" else "resource_names_subscribe"
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", _UNLIMITED) as channel:
        call, request = _called(channel, variant)
        with suppress(grpc.RpcError, asyncio.InvalidStateError):
            for piece in pieces:
                await call.write(request(type_url=EDS.url, node=node("x"), **{field: piece}))
            async with asyncio.timeout(30):
                await call.read()


async def nack_storm(port: str) -> None:
    """Every response refused, on eight streams, each time with a text of 60 kB, forty times over."""
    async with asyncio.TaskGroup() as tasks:
        for number in range(8):
            tasks.create_task(_refusing(int(port), [*VARIANTS][number % 2]))


async def _refusing(port: int, variant: str) -> None:
    text = "no\n" * 20_000
    while True:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", _UNLIMITED) as channel:
            call, request = _called(channel, variant)
            with suppress(grpc.RpcError, asyncio.InvalidStateError, TimeoutError):
                await call.write(request(type_url=CDS.url, node=node("n" * 20_000)))
                async with asyncio.timeout(10):
                    nonce = (await call.read()).nonce
                error = {"error_detail": {"code": 3, "message": text}, "response_nonce": nonce}
                for _ in range(40):
                    await call.write(request(type_url=CDS.url, **error))
                    await asyncio.sleep(0)


async def changing_clients(port: str) -> None:
    """Clients that come once, each of a namespace, with an egress address and dependencies of its own."""
    for number in range(10**9):
        said = {
            "namespace": f"team-{number}",
            "egress": f"127.0.0.1:{1024 + number % 60_000}",
            "dependencies": [
                f"shop/steady-{number % 5}",
                f"team-{number}/{'x' * 200}",
                f"http://h{number}.test",
            ],
        }
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", _UNLIMITED) as channel:
            call, request = _called(channel, "delta")
            with suppress(grpc.RpcError, asyncio.InvalidStateError):
                await call.write(request(type_url=CDS.url, node=node(f"web-{number}", **said)))
                await call.read()


def _called(channel: grpc.aio.Channel, variant: str) -> tuple[Any, Any]:
    request: Any
    response: Any
    _, request, response = VARIANTS[variant]
    method = channel.stream_stream(path(variant, None), request.SerializeToString, response.FromString)
    return method(), request


async def rapid_reset(port: str) -> None:
    """Streams that are opened and reset at once, as many as the connection takes."""
    block = http2.call(_ADS)

    def frames() -> Iterator[bytes]:
        for stream in range(1, 2**31, 2):
            opened = http2.frame(http2.HEADERS, http2.END_HEADERS, stream, block)
            yield opened + http2.frame(http2.RESET, 0, stream, b"\0\0\0\x08")

    await _flood(int(port), frames)


async def open_streams(port: str) -> None:
    """Streams that are opened and left alone, as many as the connection takes."""
    block = http2.call(_ADS)

    def frames() -> Iterator[bytes]:
        for stream in range(1, 2**31, 2):
            yield http2.frame(http2.HEADERS, http2.END_HEADERS, stream, block)

    await _flood(int(port), frames)


async def continuation_flood(port: str) -> None:
    """Headers without an end."""
    more = http2.frame(http2.CONTINUATION, 0, 1, http2.field("x-a", "b" * 100) * 100)

    def frames() -> Iterator[bytes]:
        yield http2.frame(http2.HEADERS, 0, 1, http2.call(_ADS))
        while True:
            yield more

    await _flood(int(port), frames)


async def settings_flood(port: str) -> None:
    """Settings and pings whose acknowledgements nobody reads."""
    ping = http2.frame(http2.PING, 0, 0, b"12345678") + http2.frame(http2.SETTINGS, 0, 0, b"")

    def frames() -> Iterator[bytes]:
        while True:
            yield ping

    await _flood(int(port), frames)


async def _flood(port: int, frames: Callable[[], Iterator[bytes]]) -> None:
    """On four connections for ever, each opened again when the other side has had enough."""

    async def one() -> None:
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(http2.HELLO)
                try:
                    for data in frames():
                        writer.write(data)
                        if writer.transport.get_write_buffer_size() > 1 << 16:
                            await writer.drain()
                            await asyncio.sleep(0)
                finally:
                    writer.transport.abort()
            await asyncio.sleep(0.05)

    await asyncio.gather(*(one() for _ in range(4)))


async def half_requests(port: str) -> None:
    """A thousand connections that begin an HTTP request and never end it."""
    writers = []
    for _ in range(1000):
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", int(port))
            writer.write(b"GET /readyz HTTP/1.1\r\nhost: x\r\nx-a: ")
            writers.append(writer)
    print(f"{len(writers)} connections", flush=True)
    await asyncio.Event().wait()


async def swap(name: str, seconds: str) -> None:
    """For so many seconds, a file and a FIFO that take each other's place as often as it goes."""
    await asyncio.to_thread(_swap, Path(name), float(seconds))


def _swap(file: Path, seconds: float) -> None:
    text, fifo, draft = file.read_text(), file.with_name(".fifo"), file.with_name(".draft")
    os.mkfifo(fifo)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        os.link(fifo, draft)
        os.replace(draft, file)
        draft.write_text(text)  # each time a file that nobody has read yet
        os.replace(draft, file)
    fifo.unlink()


ATTACKS: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {
    one.__name__: one
    for one in (
        requests_of_4_mb,
        million_names,
        nack_storm,
        changing_clients,
        rapid_reset,
        open_streams,
        continuation_flood,
        settings_flood,
        half_requests,
        swap,
    )
}

if __name__ == "__main__":
    print("begun", flush=True)
    asyncio.run(ATTACKS[sys.argv[1]](*sys.argv[2:]))
