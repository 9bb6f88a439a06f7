"""What may be said to be absent while something cannot be read (decision 0016)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from pilothouse.encoding.types import ResourceType
from pilothouse.model.services import ServiceName
from pilothouse.serving.directory import Directory


class Knowledge:
    """What is known of the services in a directory, in which the newest of those `quarantined` are not."""

    def __init__(self, directory: Directory, quarantined: Collection[ServiceName]) -> None:
        self.directory, self._quarantined = directory, quarantined
        #: Whether absence means absence: nothing is unknown.
        self.complete = True
        self._unserved: frozenset[ServiceName] = frozenset()
        self._partial: frozenset[ServiceName] = frozenset()
        self._gone: defaultdict[ResourceType, set[str]] = defaultdict(set)

    def learn(self, all_read: bool, partial: frozenset[ServiceName]) -> bool:
        """Take note of whether the sources could read everything, and of which services perhaps only a part.

        True if this is not what was known before.
        """
        before = self.complete, self._partial
        self.complete = all_read and self._unserved.isdisjoint(self._quarantined)
        self._partial = partial
        return (self.complete, partial) != before

    def begin(self) -> None:
        """Clients come from now on. They may have, from an earlier process, what is quarantined here."""
        self._unserved = frozenset(name for name in self._quarantined if self.directory.get(name) is None)
        self.complete = self.complete and not self._unserved

    def removed(self, type: ResourceType, names: Iterable[str]) -> None:
        """Somebody stated that these are gone, which is worth remembering while something is unknown."""
        if self.complete:
            self._gone[type].clear()
        else:
            self._gone[type].update(names)

    def is_absent(self, type: ResourceType, name: str) -> bool:
        """Whether it is known that a client has no such resource: it was removed, or is there for others."""
        return self.complete or name in self._gone[type] or self.directory.holder(name) is not None

    def may_lack_endpoints(self, cluster: str) -> bool:
        """Whether a load assignment may lack endpoints that cannot be read."""
        if self.complete:
            return False
        owner = self.directory.holder(cluster)
        return owner is None or not owner.service.endpoints or owner.service.name in self._partial
