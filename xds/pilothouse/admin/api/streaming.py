"""The event stream over HTTP (server-sent events): one response for each reader, until one of both leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from pilothouse.admin.api.attending import left
from pilothouse.admin.api.events import KINDS, RESET, Event, Events, written
from pilothouse.admin.api.parameters import Parameter, read

EVENTS = "/events"
ABOUT = "What happens, as server-sent events."
HEADERS = {"content-type": "text/event-stream", "cache-control": "no-cache", "x-accel-buffering": "no"}
#: The names in the state of a request by which a server lets a stream end: an asyncio.Event that is set when
#: the server stops, and a function that closes the connection at once.
ENDING, ABORT = "ending", "abort"
#: How often a silent stream shows that it lives, in seconds.
ALIVE_S = 15.0
#: How long a reader may take for what it is sent before it is cut off, in seconds.
SLOW_S = 5.0
_LARGE = 1 << 16  # so many bytes are sent at once
_END_S = 1.0  # how long a reader may take for the end of a stream, when the server stops
_AGAIN = b":\nretry: 2000\n\n"
_ALIVE = b":\n\n"
_END = {"type": "http.response.body", "body": b""}


_OFFERED = ", ".join(KINDS)


def kinds(text: str) -> frozenset[str]:
    """The kinds that a reader wants."""
    found = frozenset(text.split(","))
    if not found <= KINDS.keys():
        raise ValueError(f"must be some of {_OFFERED}")
    return found


PARAMETERS = (
    Parameter("kinds", f"Only these kinds, separated by commas: {_OFFERED}.", kinds, frozenset(KINDS)),
)


class EventStream(StreamingResponse):
    """The events of some kinds, from now on or after the one that the reader had last.

    A reader that is too slow is cut off. It can come back, and is told what it has missed.
    """

    def __init__(self, events: Events, kinds: frozenset[str], last: str | None) -> None:
        super().__init__((), headers=HEADERS)
        self._events, self._kinds, self._last = events, kinds, last

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "HEAD":
            await self._start(send)
            await send(_END)
            return
        state = scope.get("state", {})
        ending: asyncio.Event = state.get(ENDING) or asyncio.Event()
        abort: Callable[[], None] = state.get(ABORT, lambda: None)
        async with self._events.reading():
            telling = asyncio.create_task(self._tell(send))
            waits = [telling, asyncio.create_task(left(receive)), asyncio.create_task(ending.wait())]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in waits:
                    each.cancel()
            try:
                with suppress(asyncio.CancelledError):
                    await telling
                async with asyncio.timeout(_END_S if ending.is_set() else 0):
                    await send(_END)
            except TimeoutError:
                abort()
                await left(receive)

    async def _start(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})

    async def _tell(self, send: Send) -> None:
        """Send what there is to tell, for ever. Returns or raises TimeoutError if the reader is too slow."""
        events = self._events
        place = _number(self._last) if self._last is not None else events.last
        await self._start(send)
        await _sent(send, _AGAIN)
        if events.after(place) is None:
            place = events.last
            await _sent(send, written(place, RESET))
        while True:
            stirred = events.stirred
            found = events.after(place)
            if found is None:
                return
            if found:
                place = await self._sent(send, found)
            else:
                try:
                    async with asyncio.timeout(ALIVE_S):
                        await stirred.wait()
                except TimeoutError:
                    await _sent(send, _ALIVE)

    async def _sent(self, send: Send, found: Sequence[Event]) -> int:
        """Send some of these events at once. Returns the number of the last one."""
        place, size, texts = found[-1].number, 0, list[bytes]()
        for event in found:
            if event.kind in self._kinds or event.kind == RESET:
                texts.append(event.text)
                size += len(event.text)
            if size > _LARGE:
                place = event.number
                break
        if texts:
            await _sent(send, b"".join(texts))
        return place


def event_stream(request: Request, events: Events) -> Response:
    """The answer to a reader. Raises Mistaken."""
    said = read(PARAMETERS, request.query_params.multi_items())
    return EventStream(events, said["kinds"], request.headers.get("last-event-id"))


def _number(text: str) -> int:
    """The number of an event as a reader says it. One that cannot be was never sent."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1


async def _sent(send: Send, text: bytes) -> None:
    async with asyncio.timeout(SLOW_S):
        await send({"type": "http.response.body", "body": text, "more_body": True})
