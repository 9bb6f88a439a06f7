"""What is kept for clients so that it is not worked out twice: in bounded bytes, and while they are there.

What clients say of themselves has no end, so nothing that depends on it is kept in a plain dictionary.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar
from weakref import WeakKeyDictionary, ref

V = TypeVar("V")

_interned: WeakKeyDictionary[Any, ref[Any]] = WeakKeyDictionary()


def interned(value: V) -> V:
    """One object for equal ones, for as long as somebody has it."""
    held = _interned.get(value)
    found: V | None = held() if held is not None else None
    if found is None:
        _interned[value] = ref(value)
        return value
    return found


#: What is kept, and the identities of its owners.
_Key: TypeAlias = tuple[Hashable, ...]


class _Entry(NamedTuple):
    value: Any
    size: int
    owners: tuple[ref[Any], ...]


class Cache(Generic[V]):
    """Values that belong to objects that streams have, such as a scope or a set of names.

    A value goes when an owner of it does. If all of them take more than `limit` bytes, those go that were
    not used for longest. Owners are told apart by identity, so they should be interned.
    """

    def __init__(self, limit: int, size: Callable[[V], int]) -> None:
        self._limit = limit
        self._size_of = size
        self._held: OrderedDict[_Key, _Entry] = OrderedDict()
        #: In bytes, of all values together.
        self.size = 0

    def __len__(self) -> int:
        return len(self._held)

    def get(self, what: Hashable, build: Callable[[], V], *owners: object) -> V:
        """What is kept under a name for these owners; `build` makes it if there is nothing."""
        key = (what, *map(id, owners))
        entry = self._held.get(key)
        if entry is None:
            return self._put(key, build(), owners)
        self._held.move_to_end(key)
        found: V = entry.value
        return found

    def has(self, what: Hashable, *owners: object) -> bool:
        """Whether `get` would find something."""
        return (what, *map(id, owners)) in self._held

    def drop(self, stale: Callable[[Any, Any], bool]) -> None:
        """Drop what `stale` is true of, which is asked with the name and the first owner of each value."""
        held = [(key, entry.owners[0]()) for key, entry in self._held.items()]
        for key, owner in held:
            if stale(key[0], owner):
                self._drop(key)

    def clear(self) -> None:
        """Drop everything."""
        self._held.clear()
        self.size = 0

    def _put(self, key: _Key, value: V, owners: tuple[object, ...]) -> V:
        this = ref(self)  # a cache that nobody has goes at once, and does not wait for the collector

        def ended(_: object) -> None:
            # Before the identity of the owner can become that of another object.
            cache = this()
            if cache is not None:
                cache._drop(key)

        self._drop(key)  # to make the value may have asked for it
        self._held[key] = _Entry(value, self._size_of(value), tuple(ref(owner, ended) for owner in owners))
        self.size += self._held[key].size
        while self.size > self._limit:
            self._drop(next(iter(self._held)))
        return value

    def _drop(self, key: _Key) -> None:
        entry = self._held.pop(key, None)
        if entry is not None:
            self.size -= entry.size
