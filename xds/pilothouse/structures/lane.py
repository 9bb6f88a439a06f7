"""Readers wait for each other, and for everybody else: no number of them delays a change.

The push path needs the event loop many times in a row until a change is out and answered. If each reader took
a turn in between, a few of them would delay changes by seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

from pilothouse.structures.turns import PAUSE

#: How long readers leave the event loop to others after each turn, in seconds: at least so long, and at least
#: so many times as long as the turn took. That is 0.002 s, or more on a busy machine.
REST_S, _TIMES = 0.008, 4


class Lane:
    """Lets one request at a time have a turn, in order, with a rest after each turn."""

    def __init__(self, rest_s: float = REST_S) -> None:
        self._rest_s = rest_s
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Wait for a turn. The work in this block takes further turns whenever it lets others run."""
        place = _Place(self._turn, self._rest_s)
        await place.take()
        before, outside = PAUSE.set(place.pause), _PLACE.set(place)
        try:
            yield
        finally:
            PAUSE.reset(before)
            _PLACE.reset(outside)
            place.leave()


@asynccontextmanager
async def leaving() -> AsyncIterator[None]:
    """To be held around an await of something else than turns, such as a thread: others have their turns
    meanwhile. After the block, work goes on when it has a turn again. Outside of a lane it does nothing.
    """
    place = _PLACE.get()
    if place is None:
        yield
        return
    place.leave()
    try:
        yield
    except Exception:
        await place.take()
        raise
    await place.take()


class _Place:
    """One request, which has its turn or waits for it."""

    def __init__(self, turn: asyncio.Lock, rest_s: float) -> None:
        self._turn, self._rest_s = turn, rest_s
        self._mine, self._begun = False, 0.0

    @property
    def _due_s(self) -> float:
        """How long to rest, now that the turn ends."""
        return max(self._rest_s, _TIMES * (time.monotonic() - self._begun))

    async def take(self) -> None:
        await self._turn.acquire()
        self._mine, self._begun = True, time.monotonic()

    async def pause(self) -> None:
        await asyncio.sleep(self._due_s)
        self._mine = False
        self._turn.release()
        await self.take()

    def leave(self) -> None:
        """End the turn, if this request has it. The answer does not wait for the rest, but the next turn."""
        if self._mine:
            self._mine = False
            asyncio.get_running_loop().call_later(self._due_s, self._turn.release)


#: The place of the present task in its lane.
_PLACE: ContextVar[_Place | None] = ContextVar("place", default=None)
