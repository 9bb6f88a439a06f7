"""The event stream over real sockets: readers that come back, are slow, too many, or leave."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pilothouse.admin.api import streaming
from pilothouse.admin.api.events import READERS, Events, Told
from pilothouse.admin.api.views import HoldEnded
from pilothouse.admin.http import admin
from pilothouse.admin.serve import serving

from .test_api import Starting

HOST = "127.0.0.1"


class Silent:
    """Finds nothing: the test adds the events."""

    async def begin(self) -> None:
        return None

    async def found(self) -> AsyncIterator[Told]:
        for each in ():
            yield each


class Reader:
    """One connection that asked for the events."""

    def __init__(self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        self.reads, self.writes = streams
        self.head = b""

    async def line(self) -> str:
        """The next line of the body that says something. The body is chunked; sizes are no lines of ours."""
        while True:
            line = await asyncio.wait_for(self.reads.readline(), 10)
            if not line:
                raise EOFError
            text = line.decode().strip()
            if text and set(text) - set("0123456789abcdef"):
                return text

    async def event(self) -> tuple[str, str, str]:
        """The id, the kind and the data of the next event."""
        while (line := await self.line()).startswith((":", "retry:")):
            pass
        data = [line, await self.line(), await self.line()]
        assert [each.partition(":")[0] for each in data] == ["id", "event", "data"]
        number, kind, body = (each.partition(": ")[2] for each in data)
        return number, kind, body

    async def closed(self) -> bytes:
        """What comes before the server closes the connection."""
        try:
            return await asyncio.wait_for(self.reads.read(), 20)
        except ConnectionResetError:
            return b""

    def leave(self) -> None:
        self.writes.transport.abort()


class Served:
    """The admin on a port, with events that the test adds."""

    def __init__(self, busy) -> None:
        self.reader = Starting(busy)
        self.events = self.reader.events = Events(Silent())
        self.app = admin(lambda: busy, lambda: self.reader)

    def tell(self, source: str = "files") -> None:
        self.events.add("hold", HoldEnded(source, True))

    async def ask(self, query: str = "", method: str = "GET", **headers: str) -> Reader:
        said = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        found = Reader(await asyncio.open_connection(HOST, self.port))
        found.writes.write(f"{method} /api/v1/events{query} HTTP/1.1\r\nhost: x\r\n{said}\r\n".encode())
        found.head = await asyncio.wait_for(found.reads.readuntil(b"\r\n\r\n"), 10)
        return found

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        async with serving(self.app, HOST, 0) as self.port:
            yield


@pytest.fixture
async def served(busy) -> AsyncIterator[Served]:
    found = Served(busy)
    async with found.open():
        yield found


async def test_events_come_as_they_are_told(served) -> None:
    reader = await served.ask()
    assert b" 200 " in reader.head
    assert b"text/event-stream" in reader.head
    served.tell("a")
    number, kind, data = await reader.event()
    assert (kind, data) == ("hold", '{"source": "a", "ended": true}')
    served.tell("b")
    assert (await reader.event())[0] == str(int(number) + 1)
    reader.leave()


async def test_only_the_kinds_that_were_asked_for_come(served) -> None:
    reader = await served.ask("?kinds=source,hold")
    served.events.add("proxy", HoldEnded("no", True))
    served.tell("yes")
    assert (await reader.event())[2] == '{"source": "yes", "ended": true}'
    reader.leave()


@pytest.mark.parametrize("query", ["?kinds=", "?kinds=proxies", "?kinds=proxy&kinds=proxy", "?kind=proxy"])
async def test_a_filter_that_is_none_is_refused(served, query) -> None:
    reader = await served.ask(query)
    assert b" 400 " in reader.head
    reader.leave()


async def test_who_comes_back_is_told_what_happened_meanwhile(served) -> None:
    reader = await served.ask()
    served.tell("a")
    last = (await reader.event())[0]
    reader.leave()
    served.tell("b")
    served.tell("c")
    again = await served.ask(last_event_id=last)
    assert [(await again.event())[2][12:13] for _ in range(2)] == ["b", "c"]
    again.leave()


@pytest.mark.parametrize("last", ["0", "-1", "x", "99999999999999999999999", "1e3", "٣"])
async def test_who_had_something_that_is_not_remembered_is_told_to_read_the_pages_again(served, last) -> None:
    reader = await served.ask(last_event_id=last)
    number, kind, data = await reader.event()
    assert (kind, data) == ("reset", "{}")
    served.tell()
    assert int((await reader.event())[0]) == int(number) + 1
    reader.leave()


async def test_a_reset_comes_whatever_the_filter(served) -> None:
    reader = await served.ask("?kinds=source")
    served.events.add("reset")
    assert (await reader.event())[1] == "reset"
    reader.leave()


async def test_a_silent_stream_shows_that_it_lives(served, monkeypatch) -> None:
    monkeypatch.setattr(streaming, "ALIVE_S", 0.01)
    reader = await served.ask()
    lines = [await reader.line() for _ in range(5)]
    assert lines == [":", "retry: 2000", ":", ":", ":"]
    reader.leave()


async def test_head_says_what_would_come_and_ends(served) -> None:
    reader = await served.ask(method="HEAD")
    assert b" 200 " in reader.head
    assert b"text/event-stream" in reader.head
    reader.writes.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
    assert b"HTTP/1.1 200" in await reader.reads.readuntil(b"\r\n")
    assert served.events._readers == 0
    reader.leave()


async def test_one_reader_too_many_is_turned_away_until_another_one_leaves(served, eventually) -> None:
    readers = [await served.ask() for _ in range(READERS)]
    refused = await served.ask()
    assert b" 503 " in refused.head
    refused.leave()
    readers.pop().leave()
    await eventually(lambda: not served.events.full)
    readers.append(await served.ask())
    assert b" 200 " in readers[-1].head
    for each in readers:
        each.leave()
    await eventually(lambda: served.events._readers == 0)


async def test_a_reader_that_is_too_slow_is_cut_off_and_others_get_everything(
    served, monkeypatch, eventually
) -> None:
    monkeypatch.setattr(streaming, "SLOW_S", 0.2)
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.setblocking(False)
        await asyncio.get_running_loop().sock_connect(slow, (HOST, served.port))
        await asyncio.get_running_loop().sock_sendall(slow, b"GET /api/v1/events HTTP/1.1\r\nhost: x\r\n\r\n")
        await eventually(lambda: served.events._readers == 1)
        quick = await served.ask()
        count = 0
        while served.events._readers == 2:
            served.tell("x" * 60_000)
            count += 1
            assert (await quick.event())[1] == "hold"
        assert count > 2
        served.tell("after")
        assert "after" in (await quick.event())[2]
        quick.leave()


async def test_a_stream_ends_with_the_server_which_does_not_wait(busy) -> None:
    served = Served(busy)
    async with served.open():
        reader = await served.ask()
        served.tell()
        await reader.event()
    assert (await reader.closed()).endswith(b"0\r\n\r\n"), "it ended as a whole answer does"
    reader.leave()


async def test_a_stuck_reader_does_not_hold_up_the_end(busy, monkeypatch, eventually, caplog) -> None:
    monkeypatch.setattr(streaming, "_END_S", 0.05)
    served = Served(busy)
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.setblocking(False)
        async with served.open():
            loop = asyncio.get_running_loop()
            await loop.sock_connect(slow, (HOST, served.port))
            await loop.sock_sendall(slow, b"GET /api/v1/events HTTP/1.1\r\nhost: x\r\n\r\n")
            await eventually(lambda: served.events._readers == 1)
            for _ in range(60):
                served.tell("x" * 60_000)
                await asyncio.sleep(0)
    assert caplog.records == []
    assert served.events._readers == 0
