"""A name server elsewhere that does as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from pilothouse.structures.hostport import HostPort

Does = Callable[[dns.message.Message], dns.message.Message | bytes | None]


def address(text: str, ttl: int = 60) -> Does:
    """Answers every question with this address."""

    def does(query: dns.message.Message) -> dns.message.Message:
        found = dns.message.make_response(query)
        found.answer.append(dns.rrset.from_text(query.question[0].name, ttl, "IN", "A", text))
        return found

    return does


def nothing(ttl: int = 60, rcode: dns.rcode.Rcode = dns.rcode.NXDOMAIN) -> Does:
    """Says that there is nothing, and for how long."""

    def does(query: dns.message.Message) -> dns.message.Message:
        found = dns.message.make_response(query)
        found.set_rcode(rcode)
        found.authority.append(dns.rrset.from_text("example.com.", ttl, "IN", "SOA", f"a. b. 1 2 3 4 {ttl}"))
        return found

    return does


def declined(rcode: dns.rcode.Rcode) -> Does:
    """Has no answer to any question, and says why."""

    def does(query: dns.message.Message) -> dns.message.Message:
        found = dns.message.make_response(query)
        found.set_rcode(rcode)
        return found

    return does


failure = declined(dns.rcode.SERVFAIL)


def silence(_: dns.message.Message) -> None:
    return None


def truncated(query: dns.message.Message) -> dns.message.Message:
    found = dns.message.make_response(query)
    found.flags |= dns.flags.TC
    return found


class Upstream(asyncio.DatagramProtocol):
    """`does` is how it answers over UDP, and `over_tcp` over TCP. `asked` are the names that it was asked."""

    def __init__(self, does: Does) -> None:
        self.does, self.over_tcp = does, does
        self.asked = list[str]()
        self.at = HostPort("127.0.0.1", 0)
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._answer(data, self.does)
        if answer:
            self._transport.sendto(answer, addr)

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(2))
        answer = self._answer(await reader.readexactly(length), self.over_tcp)
        if answer:
            writer.write(len(answer).to_bytes(2) + answer)
            await writer.drain()
        writer.close()

    def _answer(self, wire: bytes, does: Does) -> bytes:
        query = dns.message.from_wire(wire)
        self.asked.append(query.question[0].name.to_text())
        found = does(query)
        return found.to_wire() if isinstance(found, dns.message.Message) else found or b""


@asynccontextmanager
async def upstream(does: Does) -> AsyncIterator[Upstream]:
    loop = asyncio.get_running_loop()
    found = Upstream(does)
    server = await asyncio.start_server(found.connection, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    transport, _ = await loop.create_datagram_endpoint(lambda: found, local_addr=("127.0.0.1", port))
    found.at = HostPort("127.0.0.1", port)
    async with server:
        try:
            yield found
        finally:
            transport.close()
