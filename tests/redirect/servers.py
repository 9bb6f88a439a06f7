"""Servers in a namespace, as a program: each argument is KIND=ADDRESS=PORT=NAME, and each says its NAME.

    http    to every request, in HTTP/1.1 or HTTP/2
    grpc    to every call of the greeter
    tcp     to every connection, before anything is said
    udp     to every datagram
    dns     knows NAME, which is a host name, by the address that follows: dns=ADDRESS=PORT=NAME=KNOWN

It prints `ready` when all of them listen.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from ..envoy.backends import Backend
from ..envoy.dns_server import DnsServer
from ..envoy.tcp_server import TcpServer


class Banner(TcpServer):
    """It speaks first, as a database does."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{self._name}\n".encode())
        await writer.drain()


class _Echo(asyncio.DatagramProtocol):
    def __init__(self, name: str) -> None:
        self._name = name

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        self._transport.sendto(self._name.encode(), address)


async def _serve(arguments: list[str]) -> None:
    loop, names = asyncio.get_running_loop(), DnsServer()
    held: list[object] = []
    for argument in arguments:
        kind, host, port, name, *known = argument.split("=")
        if kind in ("http", "tcp"):
            server = (Backend if kind == "http" else Banner)(name)
            server.host, server.port = host, int(port)
            await server.start()
            held.append(server)
        elif kind == "grpc":
            from ..proxyless.greeter import Greeter  # which takes a second to import

            greeter = Greeter(name, f"{host}:{port}")
            await greeter.start()
            held.append(greeter)
        elif kind == "udp":
            held.append(await loop.create_datagram_endpoint(lambda n=name: _Echo(n), (host, int(port))))
        else:
            names.addresses[name] = known
            if len(names.addresses) == 1:
                await loop.create_datagram_endpoint(lambda: names, (host, int(port)))
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1:]))
