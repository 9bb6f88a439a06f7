"""Servers of some zones elsewhere, and who asks them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import dns.message
import dns.rcode
import dns.rrset
from tests.dns.upstream import (
    Upstream,
    upstream,
)

from pilothouse.dns.answers import Answer
from pilothouse.dns.forwarding import Forwarding
from pilothouse.dns.messages import read
from pilothouse.dns.records import Type, labels
from pilothouse.dns.responder import Onward
from pilothouse.structures.hostport import HostPort


def onward(name="example.com.", type="A"):
    return Onward(read(dns.message.make_query(name, type).to_wire()))


def seen(answer: Answer) -> object:
    """The addresses of an answer, or its code."""
    packed = [each.data.wire for each in answer.records if each.data.type == Type.A]
    return [".".join(map(str, each)) for each in packed] or answer.rcode.name


class Elsewhere:
    """Servers of some zones, and who asks them."""

    def __init__(self, servers: dict[str, list[HostPort]]) -> None:
        self.forwarding = Forwarding({labels(zone): at for zone, at in servers.items()})

    async def ask(self, name="example.com.", type="A") -> object:
        return seen(await self.forwarding.forward(onward(name, type)))


async def started(stack: AsyncExitStack, *does) -> list[Upstream]:
    return [await stack.enter_async_context(upstream(each)) for each in does]


def run(test) -> None:
    async def within() -> None:
        async with AsyncExitStack() as stack:
            await test(stack)

    asyncio.run(within())


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110  (there is no event for what others see)
            await asyncio.sleep(0.01)
