"""What was worked out of services, for as long as these are in force."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from pilothouse.model.services import Service, ServiceName

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

#: In bytes: how much is kept at most, and what is around each value. What an endpoint takes is that of an old
#: service, which lives as long as a value that was made from it.
_MOST, _AROUND, _ENDPOINT = 16 << 20, 500, 64


class Kept(Generic[K, V]):
    """Values, each with the services that it was made from.

    If they would take more than so many bytes, all are forgotten: what is asked often is there again at once,
    and there is nothing to be kept in order.
    """

    def __init__(self, in_force: Callable[[ServiceName], Service | None], most: int = _MOST) -> None:
        self._in_force, self._most = in_force, most
        self._values = dict[K, tuple[V, tuple[Service, ...]]]()
        #: About what all of it takes, in bytes.
        self.size = 0

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K) -> V | None:
        """The value, if all that it was made from is in force."""
        found = self._values.get(key)
        if found is None:
            return None
        value, of = found
        for service in of:
            if self._in_force(service.name) is not service:
                return None
        return value

    def put(self, key: K, value: V, size: int, of: tuple[Service, ...]) -> None:
        """Keep a value of so many bytes."""
        self.size += _AROUND + size + sum(_ENDPOINT * len(service.endpoints) for service in of)
        if self.size > self._most:
            self._values.clear()
            self.size = 0
        else:
            self._values[key] = value, of
