"""Looks at files every few seconds, on a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: How often to look at the files, in seconds.
LOOK_S = 2.0


class Looking:
    """Calls `refresh` regularly on a daemon thread. If a file system hangs, the loop and the exit do not."""

    def __init__(self, name: str, refresh: Callable[[], None]) -> None:
        self._name, self._refresh = name, refresh
        self._wake = threading.Event()
        self._ended = False

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Refresh every few seconds while the context is open."""
        threading.Thread(target=self._watch, name=self._name, daemon=True).start()
        try:
            yield
        finally:
            self._ended = True
            self._wake.set()

    def look(self) -> None:
        """Refresh soon, without waiting for the result."""
        self._wake.set()

    def _watch(self) -> None:
        while True:
            self._wake.wait(LOOK_S)
            self._wake.clear()
            if self._ended:
                return
            self._refresh()
