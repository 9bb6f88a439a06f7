"""The event stream of the API: which kinds of events there are, how they are written, and the last ones.

All readers share the written events, so a reader costs its place among them. Nothing is looked at while
nobody reads.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, Protocol, TypeAlias

import msgspec

from pilothouse.admin.api import views

#: The kind of an event that no filter keeps away: read the pages again, because something was missed.
RESET = "reset"
#: More readers than this are turned away.
READERS = 16

# How much is remembered for readers that come back, in events and in bytes; and for how many seconds after
# the last reader has left.
_MOST, _LARGEST = 1000, 4 << 20
_ABSENCE_S = 30.0
#: How long to wait between two looks, in seconds.
LOOK_S = 0.25


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of event: when it is sent, and what its data is."""

    about: str
    data: tuple[type[views.View], ...]


KINDS = {
    "change": Kind("A change was published, or has ended.", (views.ChangeView,)),
    "proxy": Kind("The state of a proxy has changed.", (views.ProxyRow,)),
    "source": Kind("A source has changed.", (views.SourceView,)),
    "hold": Kind("A hold has begun, changed or ended.", (views.HoldView, views.HoldEnded)),
    "nack": Kind("A proxy rejects something.", (views.NackRow,)),
}

#: An event that is not written yet: its kind, and its data, which RESET does not have.
Told: TypeAlias = tuple[str, views.View | None]


class Event(NamedTuple):
    """An event as readers get it. Numbers grow by one."""

    number: int
    kind: str
    text: bytes


class Lookout(Protocol):
    """Finds out what has happened, by looking."""

    async def begin(self) -> None:
        """Take everything as known that is so now."""

    def found(self) -> AsyncIterable[Told]:
        """What has happened since the last look."""


class Events:
    """The last events. While somebody reads, `lookout` is asked again and again.

    The numbers begin with the time of day in microseconds, so they are greater than those of an earlier
    process.
    """

    def __init__(self, lookout: Lookout, clock: Callable[[], float] = time.monotonic) -> None:
        self._lookout, self._clock = lookout, clock
        self._remembered: deque[Event] = deque()
        self._size = 0
        self._readers = 0
        self._left_at = 0.0
        self._looking: asyncio.Task[None] | None = None
        self._begun = asyncio.Event()
        #: The number of the last event.
        self.last = time.time_ns() // 1000
        #: Set when there is something to do for readers. After that it is another one.
        self.stirred = asyncio.Event()

    @property
    def full(self) -> bool:
        """Whether another reader has to be turned away."""
        return self._readers >= READERS

    def after(self, number: int) -> list[Event] | None:
        """The events after this one. None if some of them are forgotten, or if there was no such event.

        Raises what ended the looking, if that is over.
        """
        if self._looking is not None and self._looking.done():
            self._looking.result()
        before = self.last - len(self._remembered)
        if not before <= number <= self.last:
            return None
        return list(islice(self._remembered, number - before, None))

    def add(self, kind: str, data: views.View | None = None) -> None:
        """Write an event for all readers."""
        self.last += 1
        event = Event(self.last, kind, written(self.last, kind, data))
        self._remembered.append(event)
        self._size += len(event.text)
        while len(self._remembered) > _MOST or self._size > _LARGEST:
            self._size -= len(self._remembered.popleft().text)
        self._stir()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Somebody reads inside of this block. From its beginning, nothing is missed."""
        self._readers += 1
        try:
            if self._looking is None or self._looking.done():
                self._begin()
            await self._begun.wait()
            yield
        finally:
            self._readers -= 1
            self._left_at = self._clock()

    def _begin(self) -> None:
        """Start to look. Who read before has missed something."""
        self._remembered.clear()
        self._size = 0
        self.last += 1
        self._begun.clear()
        # It is over soon after the last reader has left, and else it is cancelled with the event loop.
        self._looking = asyncio.create_task(self._look(), name="events")
        self._looking.add_done_callback(lambda _: self._stir())

    async def _look(self) -> None:
        try:
            await self._lookout.begin()
        finally:
            self._begun.set()
        while self._readers or self._clock() - self._left_at < _ABSENCE_S:
            async for kind, data in self._lookout.found():
                self.add(kind, data)
            await asyncio.sleep(LOOK_S)

    def _stir(self) -> None:
        stirred, self.stirred = self.stirred, asyncio.Event()
        stirred.set()


def written(number: int, kind: str, data: views.View | None = None) -> bytes:
    """An event as text. In ASCII, because a fault can name a file whose name is not UTF-8."""
    body = json.dumps(msgspec.to_builtins(data) if data is not None else {})
    return f"id: {number}\nevent: {kind}\ndata: {body}\n\n".encode("ascii")
