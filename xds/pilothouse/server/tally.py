"""Counts what has happened since the start, in numbers that only grow. The admin makes metrics of them."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from pilothouse.encoding.types import ResourceType

# Clients choose their namespaces, so the number kept is limited.
_NAMESPACES = 1000

Variant = Literal["sotw", "delta"]


class Tally:
    """Counters. Their keys come from fixed sets, because a client must not be able to invent new ones."""

    def __init__(self) -> None:
        self.pushes: Counter[tuple[ResourceType, Variant]] = Counter()
        self.requests: Counter[ResourceType | None] = Counter()  # None: a type that is not served
        self.rejects: Counter[ResourceType] = Counter()
        self.streams_opened = 0
        self.streams_closed = 0
        self.bad_requests = 0
        self.bytes_sent = 0
        self.stale_resent = 0  # times that a client was sent the same again, because it did not answer
        self.stale_closed = 0  # streams that were ended for that
        self.unknown_names = 0  # of closed streams
        self._crowded: dict[str, None] = {}

    def requested(self, type: ResourceType | None) -> None:
        self.requests[type] += 1

    def rejected(self, type: ResourceType) -> None:
        self.rejects[type] += 1

    def pushed(self, type: ResourceType, variant: Variant, size: int) -> None:
        self.pushes[type, variant] += 1
        self.bytes_sent += size

    def crowded(self, namespace: str) -> bool:
        """Whether a namespace is new among those with too many clusters. Only the latest are remembered."""
        new = namespace not in self._crowded
        self._crowded[namespace] = None
        if len(self._crowded) > _NAMESPACES:
            del self._crowded[next(iter(self._crowded))]
        return new
