"""A cache of values that belong to clients, bounded in bytes. A value is dropped when its clients are gone.

Clients can say any number of different things about themselves. So nothing that depends on what a client says
is kept in a plain dictionary, which would grow for ever.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar
from weakref import WeakKeyDictionary, ref

V = TypeVar("V")

_interned: WeakKeyDictionary[Any, ref[Any]] = WeakKeyDictionary()


def interned(value: V) -> V:
    """The one object that stands for all equal ones, for as long as somebody holds it."""
    held = _interned.get(value)
    found: V | None = held() if held is not None else None
    if found is None:
        _interned[value] = ref(value)
        return value
    return found


#: The name of a value, followed by the identities of its owners.
_Key: TypeAlias = tuple[Hashable, ...]


class _Entry(NamedTuple):
    value: Any
    size: int
    owners: tuple[ref[Any], ...]


class Cache(Generic[V]):
    """Values that belong to objects which streams hold, such as a scope or a set of names.

    A value is dropped when one of its owners is freed. If all values together take more than `limit` bytes,
    the least recently used ones are dropped. Owners are compared by identity, so intern them.
    """

    def __init__(self, limit: int, size: Callable[[V], int]) -> None:
        self._limit = limit
        self._size_of = size
        self._held: OrderedDict[_Key, _Entry] = OrderedDict()
        #: The size of all values together, in bytes.
        self.size = 0

    def __len__(self) -> int:
        return len(self._held)

    def get(self, what: Hashable, build: Callable[[], V], *owners: object) -> V:
        """The value of this name for these owners. If there is none, `build` makes it."""
        key = (what, *map(id, owners))
        entry = self._held.get(key)
        if entry is None:
            return self._put(key, build(), owners)
        self._held.move_to_end(key)
        found: V = entry.value
        return found

    def has(self, what: Hashable, *owners: object) -> bool:
        """Whether `get` would find a value without building it."""
        return (what, *map(id, owners)) in self._held

    def drop(self, stale: Callable[[Any, Any], bool]) -> None:
        """Drop each value for which `stale(name, first owner)` is true."""
        held = [(key, entry.owners[0]()) for key, entry in self._held.items()]
        for key, owner in held:
            if stale(key[0], owner):
                self._drop(key)

    def clear(self) -> None:
        """Drop every value."""
        self._held.clear()
        self.size = 0

    def _put(self, key: _Key, value: V, owners: tuple[object, ...]) -> V:
        this = ref(self)  # weak, so that an unused cache is freed at once and needs no collector

        def ended(_: object) -> None:
            # The entry must go before another object can get the identity of the owner.
            cache = this()
            if cache is not None:
                cache._drop(key)

        self._drop(key)  # `build` may itself have asked for this key
        self._held[key] = _Entry(value, self._size_of(value), tuple(ref(owner, ended) for owner in owners))
        self.size += self._held[key].size
        while self.size > self._limit:
            self._drop(next(iter(self._held)))
        return value

    def _drop(self, key: _Key) -> None:
        entry = self._held.pop(key, None)
        if entry is not None:
            self.size -= entry.size
