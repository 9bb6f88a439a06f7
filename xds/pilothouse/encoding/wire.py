"""The part of protobuf's wire format that joins encoded pieces.

Field numbers come from Envoy's .proto files. See https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from functools import lru_cache


def varint(value: int) -> bytes:
    """A non-negative integer in base 128, the least significant group first."""
    if value < 0x80:
        return bytes((value,))
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


@lru_cache(maxsize=1 << 14)  # most pieces are small and have one of a few sizes
def head(field: int, size: int) -> bytes:
    """What goes before the `size` bytes of a string, bytes or message field."""
    return varint(field << 3 | 2) + varint(size)


def delimited(field: int, payload: bytes) -> bytes:
    """A whole string, bytes or message field."""
    return head(field, len(payload)) + payload


def text(field: int, value: str) -> bytes:
    """A whole string field."""
    return delimited(field, value.encode())
