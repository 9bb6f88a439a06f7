"""Views as JSON.

A place can be a file whose name is not UTF-8. Python represents such a name by lone surrogates, which only
`json` can write and read, and that takes ten times as long.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def encoded(content: Any) -> bytes:
    """In one line."""
    try:
        return msgspec.json.encode(content)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(content)).encode("ascii")


def decoded(text: bytes, type: type[T]) -> T:
    """What `encoded` has written. Raises ValueError or RecursionError."""
    try:
        return msgspec.json.decode(text, type=type)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        return msgspec.convert(json.loads(text), type)


def for_people(text: bytes) -> bytes:
    """The same, with line breaks."""
    return msgspec.json.format(text, indent=2) + b"\n"
