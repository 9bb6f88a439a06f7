"""Which resources are known to be absent while some place cannot be read (decision 0016)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from pilothouse.encoding.types import ResourceType
from pilothouse.model.services import ServiceName
from pilothouse.serving.directory import Directory
from pilothouse.translate import Translated


class Knowledge:
    """What is known to be absent. `directory` lacks the newest versions of the `quarantined` services."""

    def __init__(self, directory: Directory, quarantined: Collection[ServiceName]) -> None:
        self.directory, self._quarantined = directory, quarantined
        #: Whether clients may have been served.
        self.begun = False
        #: Nothing is unknown, so a missing resource is known to be absent.
        self.complete = True
        self._unserved: frozenset[ServiceName] = frozenset()
        self._partial: frozenset[ServiceName] = frozenset()
        self._gone: defaultdict[ResourceType, set[str]] = defaultdict(set)

    def learn(self, all_read: bool, partial: frozenset[ServiceName]) -> bool:
        """Note whether the sources could read everything, and which services they may have read only in part.

        Returns whether this differs from what was known before.
        """
        before = self.complete, self._partial
        self.complete = all_read and self._unserved.isdisjoint(self._quarantined)
        self._partial = partial
        return (self.complete, partial) != before

    def begin(self, never_served: Collection[ServiceName] = ()) -> None:
        """Note that clients connect from now on.

        They may have, from an earlier process, what is quarantined here, unless they refused it from the
        first.
        """
        self.begun = True
        unserved = [name for name in self._quarantined if self.directory.get(name) is None]
        self._unserved = frozenset(unserved).difference(never_served)
        self.complete = self.complete and not self._unserved

    def removed(self, type: ResourceType, names: Iterable[str]) -> None:
        """Note that a source removed these resources. That is remembered while something is unknown."""
        if self.complete:
            self._gone[type].clear()
        else:
            self._gone[type].update(names)

    def is_absent(self, type: ResourceType, name: str) -> bool:
        """Whether a resource that a client lacks is known to be absent: it was removed, or only others see
        it.
        """
        return self.complete or name in self._gone[type] or self.directory.holder(name) is not None

    def may_lack_endpoints(self, cluster: str) -> bool:
        """Whether a load assignment may lack endpoints from a place that cannot be read."""
        return self.is_partial(self.directory.holder(cluster))

    def is_partial(self, owner: Translated | None) -> bool:
        """Whether a service may have endpoints in a place that cannot be read now."""
        if self.complete:
            return False
        return owner is None or not owner.service.endpoints or owner.service.name in self._partial
