"""Endpoints that are not ready any more though they are still there, as probes and silent nodes have it.

Nobody has stated that, so if it is massive the guard doubts it. One change costs what its service has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from pilothouse.model.services import Endpoint, Service, ServiceName, State, ordered

_Place: TypeAlias = tuple[str, tuple[tuple[str, int | None], ...]]


class Fading:
    """What has faded of one source, as it was before. The caller says what time it is."""

    def __init__(self) -> None:
        self._faded: dict[ServiceName, dict[_Place, Endpoint]] = {}
        # In the order of time, so that what is old comes first.
        self._since: dict[tuple[ServiceName, _Place], float] = {}

    def __len__(self) -> int:
        return len(self._since)

    def __iter__(self) -> Iterator[ServiceName]:
        """The services of which something has faded."""
        return iter(self._faded)

    def note(self, name: ServiceName, before: Service | None, after: Service | None, now: float) -> None:
        """A service is no longer what it was. What is ready again or gone has not faded."""
        faded = self._faded.get(name, {})
        dark = {_place(each) for each in (after.endpoints if after else ()) if each.state is State.NOT_READY}
        if not dark and not faded:
            return
        was_ready = {_place(each): each for each in _called(before)}
        for place in faded.keys() - dark:
            self._forget(name, place)
        for place in dark & was_ready.keys():
            self._faded.setdefault(name, {})[place] = was_ready[place]
            self._since.pop((name, place), None)
            self._since[name, place] = now

    def expire(self, before: float) -> None:
        """What has faded earlier than that is believed."""
        while self._since:
            (name, place), since = next(iter(self._since.items()))
            if since >= before:
                return
            self._forget(name, place)

    def clear(self) -> None:
        """All of it is believed."""
        self._faded.clear()
        self._since.clear()

    def undone(self, service: Service) -> Service:
        """The same service with what has faded as it was; the same object if nothing has."""
        faded = self._faded.get(service.name)
        if not faded:
            return service
        endpoints = ordered(faded.get(_place(each), each) for each in service.endpoints)
        return Service(service.spec, endpoints, service.left_out)

    def _forget(self, name: ServiceName, place: _Place) -> None:
        del self._since[name, place]
        del self._faded[name][place]
        if not self._faded[name]:
            del self._faded[name]


def _called(service: Service | None) -> Iterable[Endpoint]:
    if service is None:
        return ()
    return (each for each in service.endpoints if each.state is State.READY and each.weight > 0)


def _place(endpoint: Endpoint) -> _Place:
    return endpoint.address, endpoint.ports
