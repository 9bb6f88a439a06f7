"""A tap on the wire between a sidecar and its control plane: what was really said, message by message."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator

from pilothouse._pb.envoy.service.discovery.v3 import discovery_pb2 as discovery

from .tcp_server import TcpServer

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _PADDED = 0, 0x8

Request = discovery.DiscoveryRequest | discovery.DeltaDiscoveryRequest
Response = discovery.DiscoveryResponse | discovery.DeltaDiscoveryResponse


class Recording:
    """One connection, in bytes."""

    def __init__(self, delta: bool) -> None:
        self._delta = delta
        self.sent, self.received = bytearray(), bytearray()

    @property
    def requests(self) -> list[Request]:
        kind = discovery.DeltaDiscoveryRequest if self._delta else discovery.DiscoveryRequest
        return [kind.FromString(message) for message in _messages(bytes(self.sent))]

    @property
    def responses(self) -> list[Response]:
        kind = discovery.DeltaDiscoveryResponse if self._delta else discovery.DiscoveryResponse
        return [kind.FromString(message) for message in _messages(bytes(self.received))]


class Tap(TcpServer):
    """A relay of TCP connections to the port `target`, that keeps a copy of each."""

    def __init__(self, target: int, delta: bool) -> None:
        super().__init__()
        self.recordings: list[Recording] = []
        self._target, self._delta = target, delta

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, on = await asyncio.open_connection("127.0.0.1", self._target)
        self.recordings.append(recording := Recording(self._delta))
        await asyncio.gather(
            _copy(reader, on, recording.sent),
            _copy(there, writer, recording.received),
            return_exceptions=True,
        )


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter, record: bytearray) -> None:
    """Until either side is gone, which then goes for both."""
    try:
        while data := await source.read(1 << 16):
            record += data
            sink.write(data)
            await sink.drain()
    finally:
        sink.close()


def _messages(data: bytes) -> Iterator[bytes]:
    """The gRPC messages in one direction of an HTTP/2 connection, as they became complete."""
    at = len(_PREFACE) if data.startswith(_PREFACE) else 0
    streams: defaultdict[int, bytearray] = defaultdict(bytearray)
    while at + 9 <= len(data):
        size, kind, flags = int.from_bytes(data[at : at + 3]), data[at + 3], data[at + 4]
        payload = data[at + 9 : at + 9 + size]
        if kind == _DATA and len(payload) == size:
            stream = streams[int.from_bytes(data[at + 5 : at + 9])]
            stream += payload[1 : size - payload[0]] if flags & _PADDED else payload
            yield from _complete(stream)
        at += 9 + size


def _complete(stream: bytearray) -> Iterator[bytes]:
    """Take the whole messages out of a stream: a flag, four bytes of length, and the message."""
    while len(stream) >= 5 and len(stream) >= 5 + (size := int.from_bytes(stream[1:5])):
        assert stream[0] == 0, "compressed"
        yield bytes(stream[5 : 5 + size])
        del stream[: 5 + size]
