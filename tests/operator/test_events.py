"""What happens is told to those who read the event stream, by a process with clients."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Any

from pilothouse.encoding.types import ResourceType

from .plane import service

ENDPOINTS = ResourceType.ENDPOINTS
CART = "outbound|80||cart.shop.svc.cluster.local"


async def until(following: Callable[[], tuple[str, Any]], wanted: Callable[[str, Any], bool]) -> list[Any]:
    """All events up to the one that is wanted."""

    def read() -> list[Any]:
        found = []
        while True:
            found.append(following())
            if wanted(*found[-1]):
                return found

    return await asyncio.to_thread(read)


async def test_a_change_and_a_proxy_are_told_as_the_pages_show_them(plane, client) -> None:
    with plane.events() as following:
        stream = await client("web-7")
        await stream.ask(ENDPOINTS, CART)
        await stream.names()
        told = await until(following, lambda kind, data: kind == "proxy" and data["state"] == "SYNCED")
        assert {data["node"] for kind, data in told if kind == "proxy"} == {"web-7"}
        assert told[-1][1] == plane.get("proxies")["items"][0]
        plane.write("cart.json", service("cart"))
        late = await stream.read()
        told = await until(following, lambda kind, data: kind == "change")
        assert told[-1][1]["published"]["outstanding"] == 1
        assert told[-1][1]["services"][0]["what"].startswith("2 endpoints -> 0 endpoints")
        await stream.accept(late)
        told = await until(following, lambda kind, data: kind == "change")
        assert told[-1][1] == plane.get(f"changes/{told[-1][1]['number']}")
        assert told[-1][1]["published"]["acknowledged"] == 1
        assert [kind for kind, _ in told] == ["change"], "the proxy is what it was"
        stream.call.cancel()
        told = await until(following, lambda kind, data: kind == "proxy")
        assert (told[-1][1]["node"], told[-1][1]["state"]) == ("web-7", "GONE")


async def test_a_rejection_is_told(plane, client) -> None:
    with plane.events(kinds="nack") as following:
        stream = await client("web-7")
        await stream.ask(ENDPOINTS, CART)
        await stream.accept(await stream.read(), error="no such thing")
        [(_, nack)] = await until(following, lambda kind, data: True)
        assert (nack["node"], nack["type"], nack["text"]) == ("web-7", "EDS", "no such thing")


async def test_a_process_with_an_open_stream_stops_at_once_and_in_peace(plane) -> None:
    with plane.events():
        plane._process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(plane._process.wait, 20) == 0
    assert not [each for each in plane._events() if each["level"] in ("error", "warning")]
