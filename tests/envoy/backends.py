"""Toy backends: each answers every request with its own name, in HTTP/1.1 and in HTTP/2 without TLS."""

from __future__ import annotations

import asyncio
from typing import Any

from .manifests import Document, endpoint_slice
from .tcp_server import TcpServer

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# Types and flags of HTTP/2 frames (RFC 9113, section 6).
_DATA, _HEADERS, _SETTINGS, _PING = 0, 1, 4, 6
_ACK = _END_STREAM = 0x1
_END_HEADERS = 0x4
# HPACK: `:status: 200` is entry 8 of the static table, `content-length` 28, here with a literal value.
_STATUS_200, _CONTENT_LENGTH = b"\x88", b"\x0f\x0d"


class Backend(TcpServer):
    """One endpoint, on a port of its own."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def slice(self, owner: str, **fields: Any) -> Document:
        """An EndpointSlice that names just this backend; see manifests.endpoint_slice."""
        return endpoint_slice(owner, self.host, self.port, **fields)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if _PREFACE.startswith(head):
            await reader.readexactly(len(_PREFACE) - len(head))
            await self._http2(reader, writer)
        while True:
            await self._http1(writer)
            await reader.readuntil(b"\r\n\r\n")

    async def _http1(self, writer: asyncio.StreamWriter) -> None:
        body = self.name.encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()

    async def _http2(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """As little of HTTP/2 as it takes: a request is over at END_STREAM, whatever it was."""
        body = self.name.encode()
        headers = _STATUS_200 + _CONTENT_LENGTH + bytes([len(str(len(body)))]) + str(len(body)).encode()
        writer.write(_frame(_SETTINGS, 0, 0, b""))
        while True:
            head = await reader.readexactly(9)
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:])
            payload = await reader.readexactly(int.from_bytes(head[:3]))
            if kind in (_SETTINGS, _PING) and not flags & _ACK:
                writer.write(_frame(kind, _ACK, 0, payload if kind == _PING else b""))
            elif kind in (_HEADERS, _DATA) and flags & _END_STREAM:
                writer.write(_frame(_HEADERS, _END_HEADERS, stream, headers))
                writer.write(_frame(_DATA, _END_STREAM, stream, body))
            await writer.drain()


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    head = len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4)
    return head + payload
