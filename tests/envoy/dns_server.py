"""A name server of the test's own: A records over UDP, and failures on demand (RFC 1035)."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

_A = 1
_ANSWER, _SERVFAIL, _NXDOMAIN = 0x8180, 2, 3
_POINTER = 0xC00C  # to the name in the question


class DnsServer(asyncio.DatagramProtocol):
    """Answers with what is in `addresses`, which lives for a second, or fails, or is silent."""

    def __init__(self) -> None:
        self.addresses: dict[str, list[str]] = {}
        self.failing = False
        self.silent = False
        self.asked = 0
        self._transport: Any = None

    async def start(self) -> int:
        """Listen on a free port of the loopback address; returns the port."""
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, ("127.0.0.1", 0))
        return self._transport.get_extra_info("sockname")[1]

    def stop(self) -> None:
        self._transport.close()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.asked += 1
        if not self.silent:
            self._transport.sendto(self._answer(data), address)

    def _answer(self, query: bytes) -> bytes:
        labels, at = [], 12
        while size := query[at]:
            labels.append(query[at + 1 : at + 1 + size].decode().lower())
            at += 1 + size
        kind = struct.unpack("!H", query[at + 1 : at + 3])[0]
        known = self.addresses.get(".".join(labels))
        code = _SERVFAIL if self.failing else 0 if known else _NXDOMAIN
        records = [_record(each) for each in known or () if kind == _A and not code]
        head = struct.pack("!2sHHHHH", query[:2], _ANSWER | code, 1, len(records), 0, 0)
        return head + query[12 : at + 5] + b"".join(records)


def _record(address: str) -> bytes:
    return struct.pack("!HHHIH", _POINTER, _A, 1, 1, 4) + socket.inet_aton(address)


def resolver(port: int) -> dict[str, Any]:
    """What a bootstrap says so that Envoy asks this server, and nobody else."""
    type_url = "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"
    server = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {
        "name": "envoy.network.dns_resolver.cares",
        "typed_config": {"@type": type_url, "resolvers": [server]},
    }
