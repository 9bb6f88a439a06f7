"""The admin over real sockets: ports, signals, and how it ends."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pilothouse.admin import serve
from pilothouse.admin.http import admin
from pilothouse.admin.serve import Terms, serving

from .conftest import asked

LOOPBACK = "127.0.0.1"


def has_ipv6_loopback() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


async def refused(port: int) -> None:
    """Waits until nobody takes connections on the port any more."""
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection(LOOPBACK, port)
                writer.close()
            except ConnectionRefusedError:
                return
            except ConnectionResetError:  # it was queued at the very moment that the door was shut
                pass
            await asyncio.sleep(0.01)


def client_of(port: int, host: str = LOOPBACK) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://{host}:{port}", trust_env=False, verify=False)


@pytest.mark.parametrize(
    ("route", "code", "kind"),
    [
        ("/", 200, "application/json"),
        ("/healthz", 200, "application/json"),
        ("/readyz", 503, "application/json"),
        ("/metrics", 200, "text/plain; version=0.0.4; charset=utf-8"),
        ("/nothing", 404, "application/json"),
    ],
)
async def test_every_route_answers_over_a_socket(busy, route, code, kind) -> None:
    async with serving(admin(lambda: busy, asked), LOOPBACK, 0) as port, client_of(port) as client:
        got = await client.get(route)
        assert (got.status_code, got.headers["content-type"]) == (code, kind)
        assert got.content
        head = await client.head(route)
        assert (head.status_code, head.content) == (code, b"")
        assert "server" not in got.headers


async def test_a_wanted_port_is_the_one_that_is_served(busy) -> None:
    with socket.create_server((LOOPBACK, 0)) as free:
        wanted = free.getsockname()[1]
    async with serving(admin(lambda: busy, asked), LOOPBACK, wanted) as port, client_of(wanted) as client:
        assert port == wanted
        assert (await client.get("/healthz")).status_code == 200


async def test_a_taken_port_is_an_error_in_one_line_that_names_it(busy) -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        taken = other.getsockname()[1]
        with pytest.raises(OSError, match="the admin cannot listen on") as raised:
            async with serving(admin(lambda: busy, asked), LOOPBACK, taken):
                pytest.fail("it was served beside the other")
    assert raised.value.errno == errno.EADDRINUSE
    assert raised.value.strerror == (f"the admin cannot listen on {LOOPBACK}:{taken}: Address already in use")


async def test_an_unknown_host_is_an_error_that_names_it(busy) -> None:
    with pytest.raises(OSError, match=r"cannot listen on no\.such\.host\.invalid:18001"):
        async with serving(admin(lambda: busy, asked), "no.such.host.invalid", 18001):
            pytest.fail("it was served")


@pytest.mark.skipif(not has_ipv6_loopback(), reason="this machine has no ::1")
async def test_an_ipv6_address_is_served_and_named_in_brackets(busy) -> None:
    async with serving(admin(lambda: busy, asked), "::1", 0) as port, client_of(port, "[::1]") as client:
        assert (await client.get("/healthz")).status_code == 200
        with pytest.raises(OSError, match=rf"cannot listen on \[::1\]:{port}: Address already in use"):
            async with serving(admin(lambda: busy, asked), "::1", port):
                pytest.fail("it was served twice")


async def test_nothing_answers_after_the_block_and_the_port_is_free_again(busy) -> None:
    async with serving(admin(lambda: busy, asked), LOOPBACK, 0) as port, client_of(port) as idle:
        await idle.get("/healthz")  # leaves a kept-alive connection, which must not hold up the end
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(LOOPBACK, port)
    async with serving(admin(lambda: busy, asked), LOOPBACK, port) as again:
        assert again == port


async def test_signals_stay_with_the_process(busy) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with serving(admin(lambda: busy, asked), LOOPBACK, 0) as port, client_of(port) as client:
        await client.get("/healthz")  # an answer proves that the server has started
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


class Held:
    """An application with one answer that is held until it is let go."""

    def __init__(self) -> None:
        self.asked, self.go = asyncio.Event(), asyncio.Event()
        self.app = Starlette(routes=[Route("/", self.answer)])

    async def answer(self, _: Request) -> Response:
        self.asked.set()
        await self.go.wait()
        return PlainTextResponse("done")


async def test_a_request_in_flight_is_answered_after_the_door_is_shut() -> None:
    held = Held()
    served = serving(held.app, LOOPBACK, 0)
    port = await served.__aenter__()
    async with client_of(port) as client:
        answer = asyncio.create_task(client.get("/"))
        await held.asked.wait()
        ending = asyncio.create_task(served.__aexit__(None, None, None))
        await refused(port)
        held.go.set()
        assert (await answer).text == "done"
        await ending


async def test_a_request_that_never_ends_does_not_hold_up_the_end(monkeypatch) -> None:
    monkeypatch.setattr(serve, "DRAIN_S", 0)
    held = Held()
    async with httpx.AsyncClient(trust_env=False, verify=False) as client:
        async with serving(held.app, LOOPBACK, 0) as port:
            answer = asyncio.create_task(client.get(f"http://{LOOPBACK}:{port}/"))
            await held.asked.wait()
        assert (await answer).status_code == 500


async def test_an_error_of_the_block_comes_out_as_it_is_and_the_port_is_closed(busy) -> None:
    with pytest.raises(KeyError, match="of the block"):
        async with serving(admin(lambda: busy, asked), LOOPBACK, 0) as port:
            raise KeyError("of the block")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(LOOPBACK, port)


async def test_a_cancelled_block_closes_the_port(busy) -> None:
    opened: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def forever() -> None:
        async with serving(admin(lambda: busy, asked), LOOPBACK, 0) as port:
            opened.set_result(port)
            await asyncio.Event().wait()

    running = asyncio.create_task(forever())
    port = await opened
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(LOOPBACK, port)


async def dialled(port: int, said: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    writer.write(said)
    await writer.drain()
    return reader, writer


async def closed(reader: asyncio.StreamReader) -> bool:
    """Waits until the server has closed a connection."""
    async with asyncio.timeout(10):
        try:
            return await reader.read() == b""
        except ConnectionResetError:
            return True


async def test_who_says_half_a_request_is_left_in_time(busy, monkeypatch) -> None:
    monkeypatch.setattr(serve, "REQUEST_S", 0.05)
    async with serving(admin(lambda: busy, asked), LOOPBACK, 0, Terms("the admin", 64, idle_s=600)) as port:
        reader, writer = await dialled(port, b"GET /readyz HTTP/1.1\r\nhost: x\r\nx-half: ")
        assert await closed(reader)
        writer.close()


async def test_who_says_nothing_is_left_when_he_has_rested_long_enough(busy) -> None:
    async with serving(admin(lambda: busy, asked), LOOPBACK, 0, Terms("the admin", 64, idle_s=0)) as port:
        reader, writer = await dialled(port)
        assert await closed(reader)
        writer.close()


async def test_half_of_a_second_request_is_left_in_time_as_well(busy, monkeypatch) -> None:
    monkeypatch.setattr(serve, "REQUEST_S", 0.05)
    async with serving(admin(lambda: busy, asked), LOOPBACK, 0) as port:
        reader, writer = await dialled(port, b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        await reader.readuntil(b"true\n}\n")
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-half: ")
        assert await closed(reader)
        writer.close()


async def test_a_request_that_takes_long_to_answer_is_not_left(monkeypatch, eventually) -> None:
    monkeypatch.setattr(serve, "REQUEST_S", 0.01)
    held = Held()
    async with serving(held.app, LOOPBACK, 0) as port, client_of(port) as client:
        answer = asyncio.create_task(client.get("/"))
        await held.asked.wait()
        half, writer = await dialled(port, b"GET / HTTP/1.1\r\n")  # goes after the same time
        assert await closed(half)
        held.go.set()
        assert (await answer).text == "done"
        writer.close()


async def test_half_requests_take_few_descriptors_and_keep_nobody_out(busy) -> None:
    async with serving(admin(lambda: busy, asked), LOOPBACK, 0, Terms("the admin", 8)) as port:
        slow = [await dialled(port, b"GET / HTTP/1.1\r\nhost: x\r\nx-half: ") for _ in range(100)]
        async with client_of(port) as client:
            assert (await client.get("/healthz")).status_code == 200
        for reader, _ in slow[:92]:
            assert await closed(reader), "the oldest go first"
        for _, writer in slow:
            writer.close()


async def test_of_too_many_connections_one_that_is_answered_stays() -> None:
    held = Held()
    async with serving(held.app, LOOPBACK, 0, Terms("the admin", 2)) as port, client_of(port) as client:
        answer = asyncio.create_task(client.get("/"))
        await held.asked.wait()
        silent = [await dialled(port) for _ in range(5)]
        for reader, _ in silent[:4]:
            assert await closed(reader)
        held.go.set()
        assert (await answer).text == "done"
        for _, writer in silent:
            writer.close()


class Large:
    """An application whose answers are larger than all buffers between it and a client."""

    def __init__(self) -> None:
        self.content = b"x" * (32 << 20)
        self.app = Starlette(routes=[Route("/", self.answer), Route("/healthz", self.small)])

    async def answer(self, _: Request) -> Response:
        return Response(self.content)

    async def small(self, _: Request) -> Response:
        return PlainTextResponse("fine")


class Unread(asyncio.Protocol):
    """A client that asks again and again, and reads no answer. `gone` is set when it is left."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.pause_reading()
        transport.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" * 50)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()


async def unread(port: int) -> Unread:
    _, client = await asyncio.get_running_loop().create_connection(Unread, LOOPBACK, port)
    return client


async def left(client: Unread) -> None:
    """Waits until the server has left a client, which it sees when it writes."""
    async with asyncio.timeout(20):
        while not client.gone.is_set():
            client.transport.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            await asyncio.sleep(0.05)


async def test_who_asks_and_reads_no_answer_is_left_in_time(monkeypatch) -> None:
    monkeypatch.setattr(serve, "STALLED_S", 0.1)
    async with serving(Large().app, LOOPBACK, 0) as port:
        await left(await unread(port))


async def test_who_reads_slowly_gets_the_whole_answer(monkeypatch) -> None:
    monkeypatch.setattr(serve, "STALLED_S", 0.3)
    large = Large()
    async with serving(large.app, LOOPBACK, 0) as port:
        reader, writer = await dialled(port, b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        size = 0
        while part := await reader.read(4 << 20):
            size += len(part)
            await asyncio.sleep(0.001)
        assert size > len(large.content)
        writer.close()


async def test_many_that_read_no_answer_keep_nobody_out(monkeypatch) -> None:
    monkeypatch.setattr(serve, "STALLED_S", 600)
    async with serving(Large().app, LOOPBACK, 0, Terms("the admin", 4)) as port:
        pinned = [await unread(port) for _ in range(8)]
        for _ in range(3):
            async with client_of(port) as client:
                assert (await client.get("/healthz")).text == "fine"
        for each in pinned:
            each.transport.abort()
