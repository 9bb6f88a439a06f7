"""Views as JSON.

A place can be a file whose name is not UTF-8. Python represents such a name by lone surrogates, which only
`json` can write and read, and that takes ten times as long.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

import msgspec

from pilothouse.structures.turns import Steps

_ITEMS = 20  # so many items of a page are encoded in one step
_BEGIN, _END, _NONE = b'{\n  "items": [\n', b"\n  ]\n}\n", b'\n  "items": []'
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


def in_parts(content: Any) -> Steps[bytes]:
    """With line breaks, a few items in a step: a thousand at once would hold up the event loop."""
    items = getattr(content, "items", ())
    if len(items) <= _ITEMS:
        return for_people(encoded(content))
    yield
    pieces = list[bytes]()
    for place in range(0, len(items), _ITEMS):
        text = for_people(encoded({"items": items[place : place + _ITEMS]}))
        pieces.append(text[len(_BEGIN) : -len(_END)])
        yield
    # A line break is never part of a text in JSON, so this is the page's own field.
    before, _, after = for_people(encoded(msgspec.structs.replace(content, items=()))).partition(_NONE)
    yield
    return b"".join((before, _BEGIN[1:], b",\n".join(pieces), _END[:4], after))


def for_people(text: bytes) -> bytes:
    """The same, with line breaks."""
    try:
        return msgspec.json.format(text, indent=2) + b"\n"
    except msgspec.DecodeError:
        return json.dumps(json.loads(text), indent=2).encode("ascii") + b"\n"
