"""What clients reject now, by the service that the rejected change was about.

A client rejects a whole response. If its text names services by their host names, it is about these, else
about those whose changes the response carried. What cannot be attributed is not counted here: the log, the
metrics and the state of the stream have it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Iterable
from typing import NamedTuple, TypeAlias

from pilothouse.encoding.types import ResourceType
from pilothouse.model.services import ServiceName

# A client's text is its own: of what it names, only so much is believed.
_MOST_NAMED = 5
_MOST_BLAMED = 20
_HOST = re.compile(r"\b([a-z0-9][a-z0-9-]{0,62})\.([a-z0-9][a-z0-9-]{0,62})\.svc\b")

_Stream: TypeAlias = tuple[Hashable, ResourceType]


class Rejection(NamedTuple):
    """Why a client rejects its last response of a type, and what that was about."""

    reason: str
    about: frozenset[ServiceName]


class Rejections:
    """The rejections that last. What a client is blamed for ends with its stream, so all of it is bounded."""

    def __init__(self) -> None:
        self._by_stream: dict[_Stream, Rejection] = {}
        self._by_service: dict[ServiceName, dict[_Stream, None]] = {}
        #: Called with the services about which something has changed.
        self.listen: Callable[[Collection[ServiceName]], None] = lambda names: None

    def begin(self, client: Hashable, type: ResourceType, reason: str, changed: Iterable[object]) -> None:
        """A client rejects a response that carried changes of these services."""
        stream = (client, type)
        before = self._by_stream.get(stream)
        about = _named(reason) or {name for name in changed if isinstance(name, ServiceName)}
        if before is not None:
            about |= before.about
        if len(about) > _MOST_BLAMED:
            about = set(sorted(about)[:_MOST_BLAMED])
        self._forget(stream)
        if about:
            self._by_stream[stream] = Rejection(reason, frozenset(about))
            for name in about:
                self._by_service.setdefault(name, {})[stream] = None
        self.listen(about if before is None else about | before.about)

    def end(self, client: Hashable, type: ResourceType) -> None:
        """A client has accepted a later response, or is gone."""
        gone = self._forget((client, type))
        if gone is not None:
            self.listen(gone.about)

    def of(self, name: ServiceName) -> tuple[int, str] | None:
        """How many clients reject what a service has become, and what the first of them says."""
        streams = self._by_service.get(name)
        if not streams:
            return None
        first = self._by_stream[next(iter(streams))]
        return len({client for client, _ in streams}), first.reason

    def _forget(self, stream: _Stream) -> Rejection | None:
        gone = self._by_stream.pop(stream, None)
        for name in gone.about if gone else ():
            streams = self._by_service[name]
            del streams[stream]
            if not streams:
                del self._by_service[name]
        return gone


def _named(text: str) -> set[ServiceName]:
    found = {ServiceName(namespace, name) for name, namespace in _HOST.findall(text)}
    return found if len(found) <= _MOST_NAMED else set()
