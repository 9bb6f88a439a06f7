"""What clients reject now, by the service that the rejected change was about.

A client rejects a whole response. If its text names services, it is about these, else about those whose
changes the response carried.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Hashable, Iterable
from typing import NamedTuple, TypeAlias

from pilothouse.encoding.types import ResourceType
from pilothouse.model.services import ServiceName
from pilothouse.serving.attribution import Attribution

_MOST_BLAMED = 20

_Stream: TypeAlias = tuple[Hashable, ResourceType]


class Rejection(NamedTuple):
    """Why a client rejects its last response of a type, and what that is about.

    `since_s` is when it rejected the first response after those that it has accepted, in Unix seconds.
    `resource` is there if the text names one. `suspects` are those of `about` that are surely at fault: the
    text names them, or nothing else has changed.
    """

    reason: str
    resource: str | None
    about: frozenset[ServiceName]
    since_s: float
    suspects: frozenset[ServiceName] = frozenset()


class Rejections:
    """The rejections that last. What a client is blamed for ends with its stream, so all of it is bounded.

    `attributed` says what the text of a rejection is about.
    """

    def __init__(
        self, attributed: Callable[[str], Attribution], clock: Callable[[], float] = time.time
    ) -> None:
        self._attributed, self._clock = attributed, clock
        self._by_stream: dict[_Stream, Rejection] = {}
        self._by_service: dict[ServiceName, dict[_Stream, None]] = {}
        #: Each is called with the services about which something has changed.
        self.listeners: list[Callable[[Collection[ServiceName]], None]] = []
        #: Called with who rejects, what, and about which service, when that is new.
        self.noted: Callable[[str, str, str], None] = lambda who, what, about: None

    def begin(self, client: Hashable, type: ResourceType, reason: str, changed: Iterable[object]) -> None:
        """A client rejects a response that carried changes of these services."""
        stream = (client, type)
        before = self._by_stream.get(stream)
        resource, named = self._attributed(reason)
        about = named or {name for name in changed if isinstance(name, ServiceName)}
        suspects = frozenset(about) if named or len(about) == 1 else frozenset[ServiceName]()
        if before is not None:
            about = about | before.about
        about = frozenset(sorted(about)[:_MOST_BLAMED])
        self._forget(stream)
        since_s = before.since_s if before else self._clock()
        self._by_stream[stream] = Rejection(reason, resource, about, since_s, suspects & about)
        for name in about:
            self._by_service.setdefault(name, {})[stream] = None
        self._tell(about if before is None else about | before.about)

    def end(self, client: Hashable, type: ResourceType) -> None:
        """A client has accepted a later response, or is gone."""
        gone = self._forget((client, type))
        if gone is not None:
            self._tell(gone.about)

    def by(self, client: Hashable, type: ResourceType) -> Rejection | None:
        """Why a client rejects its last response of a type. None if it does not."""
        return self._by_stream.get((client, type))

    def of(self, name: ServiceName) -> tuple[int, str] | None:
        """How many clients reject what a service has become, and what the first of them says."""
        streams = self._by_service.get(name)
        if not streams:
            return None
        first = self._by_stream[next(iter(streams))]
        return len({client for client, _ in streams}), first.reason

    def suspecting(self, name: ServiceName) -> tuple[int, Hashable, str] | None:
        """How many clients suspect a service, the first of them, and what it says."""
        found = [one for one in self._by_service.get(name, ()) if name in self._by_stream[one].suspects]
        if not found:
            return None
        return len({client for client, _ in found}), found[0][0], self._by_stream[found[0]].reason

    def _tell(self, names: Collection[ServiceName]) -> None:
        for listen in self.listeners:
            listen(names)

    def _forget(self, stream: _Stream) -> Rejection | None:
        gone = self._by_stream.pop(stream, None)
        for name in gone.about if gone else ():
            streams = self._by_service[name]
            del streams[stream]
            if not streams:
                del self._by_service[name]
        return gone
