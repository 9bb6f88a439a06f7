"""HTTP/2 by hand, as no library would speak it (RFC 9113, RFC 7541)."""

from __future__ import annotations

HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + (b"\0\0\0\4\0\0\0\0\0")
HEADERS, RESET, SETTINGS, PING, CONTINUATION = 1, 3, 4, 6, 9
END_HEADERS = 0x4


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def call(path: str) -> bytes:
    """The header block of a gRPC call: POST and http by the static table, all else as literals."""
    fields = {":path": path, ":authority": "x", "content-type": "application/grpc", "te": "trailers"}
    return b"\x83\x86" + b"".join(field(*pair) for pair in fields.items())


def field(name: str, value: str) -> bytes:
    """A literal that is not to be indexed."""
    return b"\0" + _text(name) + _text(value)


def _text(value: str) -> bytes:
    data = value.encode()
    assert len(data) < 127
    return bytes([len(data)]) + data
