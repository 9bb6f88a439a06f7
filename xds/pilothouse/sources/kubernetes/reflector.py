"""Follows the objects of one scope: lists them, watches from there on, and begins anew where it has to."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import NamedTuple

from msgspec import Raw

from pilothouse.apiserver.answers import Event, Unreadable, bookmark
from pilothouse.apiserver.client import Client, Refused, Unreachable
from pilothouse.kubernetes.objects.types import Key
from pilothouse.sources.kubernetes.decoding import Decoder, Found
from pilothouse.sources.kubernetes.resources import NAMESPACES, Resource, Scope
from pilothouse.sources.kubernetes.statements import Deleted, Listed, Put, Statement
from pilothouse.structures.backoff import pause_s
from pilothouse.structures.turns import Turn

# A server ends each watch after so long, which spreads them over servers that start later.
_WATCH_S = (300, 600)
_STEADY_S = 5.0
# With these a server does not say that it cannot stream lists.
_OF_ALL_REQUESTS = (401, 403, 404, 410, 429, 503, 504)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to wait for what, in seconds.

    A watch that says nothing for `quiet_s` is opened again: there is a bookmark about every minute. A list
    that is streamed says something every `begin_s`. `retry_s` are the first and the longest pause after a
    failure. Which kinds there are is asked every `ask_s`. The first report waits `grace_s` for what is not
    essential.
    """

    quiet_s: float = 150.0
    retry_s: tuple[float, float] = (0.2, 30.0)
    begin_s: float = 15.0
    ask_s: float = 5.0
    grace_s: float = 5.0


#: As it is meant to be, unless a test is in a hurry.
UNHURRIED = Pace()


class Failing(NamedTuple):
    """Why something cannot be read, and since when, in Unix seconds; `forbidden`: for want of permission."""

    why: str
    since_s: float
    forbidden: bool = False


class _NoEnd(Exception):
    """A server that does not know of streamed lists has told what it has, and no end."""


class Reflector:
    """Of one resource, in one namespace or in all. `follow` ends by being cancelled.

    `tell` is given each statement; `moved` is called when `listed` or `failing` are others than before.
    """

    def __init__(  # noqa: PLR0913  (whom to ask for what, and whom to tell)
        self,
        client: Client,
        resource: Resource,
        scope: Scope,
        decoder: Decoder,
        tell: Callable[[Statement], Awaitable[None]],
        moved: Callable[[], None],
        pace: Pace,
    ) -> None:
        self.resource, self.scope = resource, scope
        self.listed = False
        self.failing: Failing | None = None
        self._client, self._decoder, self._pace = client, decoder, pace
        self._tell, self._moved = tell, moved
        self._path = resource.path(scope.namespace if resource.namespaced else "")
        self._asked = _selected(resource, scope)
        self._version = ""  # up to which all was told; empty until there was a list
        self._turn = Turn()

    def __str__(self) -> str:
        where = f" in {self.scope.namespace}" if self.scope.namespace else ""
        which = f" with {self.scope.selector}" if self.scope.selector else ""
        return f"{self.resource}{where}{which}"

    async def follow(self) -> None:
        """Tell of everything that there is, and of all changes."""
        failures = 0
        while True:
            begun, wait_s = time.monotonic(), 0.0
            try:
                await self._attempt()
            except (OSError, Unreadable) as error:
                wait_s = self._failed(error)
            failures = 0 if time.monotonic() - begun > _STEADY_S else failures + 1
            await asyncio.sleep(max(wait_s, pause_s(failures, *self._pace.retry_s)))

    async def _attempt(self) -> None:
        if self._version:
            await self._watch()
        elif self._client.streams_lists:
            await self._begin_by_watching()
        else:
            await self._list()

    def _works(self) -> None:
        if self.failing is not None:
            self.failing = None
            self._moved()

    def _failed(self, error: OSError | Unreadable) -> float:
        """Returns for how long the server wants to be left alone, in seconds."""
        if isinstance(error, Unreadable) or (isinstance(error, Refused) and error.expired):
            self._version = ""
        if isinstance(error, Refused) and error.expired:
            return 0.0  # nothing has failed: there is too much between then and now
        forbidden = isinstance(error, Refused) and error.forbidden
        since_s = self.failing.since_s if self.failing else time.time()
        before, self.failing = self.failing, Failing(str(error), since_s, forbidden)
        if before != self.failing:
            self._moved()
        asked_s = error.retry_after_s if isinstance(error, Refused) else 0.0
        return min(asked_s, self._pace.retry_s[1])

    async def _list(self) -> None:
        """All pages of a list, of which nothing is told before the last one is there."""
        try:
            found, version = await self._pages(paged=True)
        except Refused as refused:
            if not refused.expired:
                raise
            # It was compacted between two pages. In one piece it cannot be.
            found, version = await self._pages(paged=False)
        await self._listed(found, version)

    async def _pages(self, paged: bool) -> tuple[dict[Key, Found], str]:
        found: dict[Key, Found] = {}
        version = ""
        listing = self._client.list(self._path, self._asked, self.resource.metadata, paged)
        async with aclosing(listing) as pages:
            async for page in pages:
                version = page.version
                for item in page.items:
                    self._keep(found, item)
                    await self._turn.over()
        if not version:
            raise Unreadable("the list has no resourceVersion")
        return found, version

    def _keep(self, found: dict[Key, Found], item: Raw) -> None:
        one = self._decoder.found(item)
        found[one.key] = one

    async def _listed(self, found: dict[Key, Found], version: str) -> None:
        await self._tell(Listed(self.scope, tuple(found.values()), f"{self}@{version}"))
        self._version, self.listed, self.failing = version, True, None
        self._moved()

    async def _begin_by_watching(self) -> None:
        """A list that comes as events, up to a bookmark; then the watch goes on."""
        asked = {
            **self._asked,
            "sendInitialEvents": "true",
            "resourceVersionMatch": "NotOlderThan",
            **_time_out(),
        }
        try:
            async with self._client.watch(self._path, asked, self.resource.metadata) as events:
                await self._listed(*await self._beginning(events))
                await self._until_cut(events)
        except _NoEnd:
            self._client.streams_lists = False
        except Refused as refused:
            if self._version or refused.status in _OF_ALL_REQUESTS:
                raise
            self._client.streams_lists = False

    async def _beginning(self, events: AsyncIterator[Event]) -> tuple[dict[Key, Found], str]:
        found: dict[Key, Found] = {}
        loop, patience_s = asyncio.get_running_loop(), self._pace.begin_s
        try:
            # Set anew in each turn, and not for each of thousands of events.
            async with asyncio.timeout(patience_s) as silence:
                async for event in events:
                    if event.type == "BOOKMARK":
                        said = bookmark(event.object)
                        if said.ends_beginning:
                            return found, said.version
                    else:
                        self._begin_with(found, event)
                    if await self._turn.over():
                        silence.reschedule(loop.time() + patience_s)
        except TimeoutError:
            raise _NoEnd from None
        raise Unreachable("the list ended before all of it was there")

    def _begin_with(self, found: dict[Key, Found], event: Event) -> None:
        if event.type == "ERROR":
            raise self._client.refusal(event.object)
        if event.type == "DELETED":
            found.pop(self._decoder.key(event.object)[0], None)
        else:
            self._keep(found, event.object)

    async def _watch(self) -> None:
        asked = {**self._asked, "resourceVersion": self._version, **_time_out()}
        async with self._client.watch(self._path, asked, self.resource.metadata) as events:
            self._works()
            await self._until_cut(events)

    async def _until_cut(self, events: AsyncIterator[Event]) -> None:
        """A watch that is cut is opened again. Only if that fails, something is wrong."""
        with suppress(Unreachable):
            await self._follow_events(events)

    async def _follow_events(self, events: AsyncIterator[Event]) -> None:
        async for event in events:
            heard = time.monotonic()
            if event.type == "ERROR":
                raise self._client.refusal(event.object)
            if event.type == "BOOKMARK":
                self._version = bookmark(event.object).version or self._version
                continue
            if event.type == "DELETED":
                key, version = self._decoder.key(event.object)
                await self._tell(Deleted(self.scope, key, version, heard))
            else:
                found = self._decoder.found(event.object)
                version = found.version
                await self._tell(Put(self.scope, found, heard))
            self._version = version or self._version
            await self._turn.over()


def _selected(resource: Resource, scope: Scope) -> dict[str, str]:
    """The parameters that say which objects are asked for, if not all of the path."""
    if resource == NAMESPACES and scope.namespace:
        return {"fieldSelector": f"metadata.name={scope.namespace}"}
    return {"labelSelector": scope.selector} if scope.selector else {}


def _time_out() -> dict[str, str]:
    return {"timeoutSeconds": str(random.randint(*_WATCH_S))}
