"""Brings values from files to the shelf that serves them. The type of the resources does not matter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from pilothouse.feeds.feed import Feed, State
from pilothouse.feeds.looking import Looking
from pilothouse.serving.changes import Noticed
from pilothouse.serving.shelf import Shelf

Told = TypeVar("Told")


class Feeding(Generic[Told]):
    """One feed and its shelf. A thread reads the files, and the event loop fills the shelf."""

    def __init__(
        self, name: str, read: Callable[[], Told], shelf: Shelf, put: Callable[[Told], Noticed | None]
    ) -> None:
        """`put` replaces the content of the shelf and returns the changes. Raises Mistake."""
        self.shelf, self._put = shelf, put
        self._feed = Feed(name, read)
        self._looking = Looking(name, self._refresh)
        self._publish: Callable[[list[Noticed]], None] = lambda changes: None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._deliver()

    @property
    def state(self) -> State:
        return self._feed.state

    def look(self) -> None:
        """Read the files again soon, without waiting for the result."""
        self._looking.look()

    @contextmanager
    def followed(self, publish: Callable[[list[Noticed]], None]) -> Iterator[None]:
        """Publish changes while the context is open. The event loop must be running inside of it."""
        self._publish, self._loop = publish, asyncio.get_running_loop()
        with self._looking.watched():
            yield
        self._loop = None

    def _refresh(self) -> None:
        self._feed.refresh()
        if self._loop is not None:
            # The loop may have ended while a file system was hanging.
            try:
                self._loop.call_soon_threadsafe(self._deliver)
            except RuntimeError:
                return

    def _deliver(self) -> None:
        change = self._put(self._feed.value)
        if change is not None:
            self._publish([change])
