"""Reads the body of a request: JSON of a known type, of a bounded size, within a bounded time."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from pilothouse.admin.api.inquiry import Mistaken
from pilothouse.structures.written import brief

#: In bytes, of an order.
MOST = 1 << 16
_BODY_S = 5.0

T = TypeVar("T")


class Unacceptable(Exception):
    """The body is not read. Has the status of the answer."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        super().__init__(text)


async def body(request: Request, kind: type[T], most: int = MOST) -> T:
    """The body as a value. Raises Unacceptable, and Mistaken, which names the field.

    Only `application/json`: a form of another site's page cannot send that without asking us first.
    """
    stated = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if stated != "application/json":
        raise Unacceptable(415, "the body must be JSON: Content-Type: application/json")
    data = await _read(request, most)
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as wrong:
        raise Mistaken(f"the body: {brief(str(wrong))}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise Mistaken(f"the body is no JSON: {brief(str(wrong))}") from None


async def _read(request: Request, most: int) -> bytes:
    found = bytearray()
    try:
        async with asyncio.timeout(_BODY_S):
            async for chunk in request.stream():
                found += chunk
                if len(found) > most:
                    raise Unacceptable(413, f"the body has more than {most} bytes")
    except TimeoutError:
        raise Unacceptable(408, f"the body has not come within {_BODY_S:g} s") from None
    except ClientDisconnect:
        raise Unacceptable(400, "the body is cut off") from None
    return bytes(found)
