"""Which objects hang on a key. Most keys have one, so one is held without a set around it."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

from pilothouse.kubernetes.objects import Key

K = TypeVar("K", bound=Hashable)


class Index(Generic[K]):
    """A mapping of a key to any number of object keys; what is empty takes no room."""

    def __init__(self) -> None:
        self._found: dict[K, Key | set[Key]] = {}

    def add(self, at: K, key: Key) -> None:
        found = self._found.setdefault(at, key)
        if isinstance(found, set):
            found.add(key)
        elif found != key:
            self._found[at] = {found, key}

    def discard(self, at: K, key: Key) -> None:
        found = self._found.get(at)
        if isinstance(found, set):
            found.discard(key)
            if len(found) == 1:
                self._found[at] = found.pop()
        elif found == key:
            del self._found[at]

    def at(self, at: K) -> Collection[Key]:
        found = self._found.get(at)
        if found is None:
            return ()
        return found if isinstance(found, set) else (found,)
