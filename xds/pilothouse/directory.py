"""The admitted services by name and by cluster, and which of them a scope reaches.

A service leads to others when its names do: an alias to its target, routes to their backends. Who
may see it needs the clusters of those too, whether or not they were declared as dependencies.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Set

from pilothouse.audience import Scope
from pilothouse.model import ServiceName
from pilothouse.translate import Translated


class Directory:
    """What is in force, found without a look at what is not asked for."""

    def __init__(self) -> None:
        self._services: dict[ServiceName, Translated] = {}
        self._order: list[ServiceName] = []  # sorted
        self._owners: dict[str, Translated] = {}  # by cluster name
        self._leading: dict[ServiceName, set[ServiceName]] = {}  # to a service: those that lead to it

    def get(self, name: ServiceName) -> Translated | None:
        return self._services.get(name)

    def all(self) -> list[Translated]:
        """Every service, in no order; a list, so that services can be put meanwhile."""
        return [*self._services.values()]

    @property
    def cluster_count(self) -> int:
        return len(self._owners)

    def put(self, old: Translated | None, new: Translated | None) -> None:
        """Let one version of a service take the place of another; None where there is none."""
        if old is not None:
            self._unlink(old)
            if new is None:
                del self._services[old.service.name]
                del self._order[bisect_left(self._order, old.service.name)]
        if new is not None:
            if old is None:
                insort(self._order, new.service.name)
            self._services[new.service.name] = new
            self._link(new)

    def leading_to(self, name: ServiceName) -> Set[ServiceName]:
        """The services that lead to this one."""
        return self._leading.get(name, frozenset())

    def sees(self, scope: Scope, name: ServiceName) -> bool:
        """Whether a scope reaches a service, directly or through one that leads to it."""
        return scope.sees(name) or any(map(scope.sees, self.leading_to(name)))

    def owner(self, scope: Scope, cluster: str) -> Translated | None:
        """The service with this cluster, if the scope reaches it."""
        owner = self._owners.get(cluster)
        return owner if owner is not None and self.sees(scope, owner.service.name) else None

    def visible(self, scope: Scope) -> Iterator[Translated]:
        """The services in scope by name."""
        if scope.dependencies is None:
            return (self._services[name] for name in self._order)
        return (self._services[name] for name in sorted(self._named(scope.dependencies)))

    def reachable(self, scope: Scope) -> Iterator[Translated]:
        """The services in scope and those that they lead to, by name."""
        if scope.dependencies is None:
            return self.visible(scope)
        names = self._named(scope.dependencies)
        backends = {backend for name in names for backend in self._services[name].leads_to}
        return (self._services[name] for name in sorted(names | (backends & self._services.keys())))

    def _link(self, new: Translated) -> None:
        for cluster in new.clusters:
            self._owners[cluster] = new
        for backend in new.leads_to:
            self._leading.setdefault(backend, set()).add(new.service.name)

    def _unlink(self, old: Translated) -> None:
        for cluster in old.clusters:
            del self._owners[cluster]
        for backend in old.leads_to:
            self._leading[backend].discard(old.service.name)
            if not self._leading[backend]:
                del self._leading[backend]

    def _named(self, dependencies: Iterable[ServiceName]) -> set[ServiceName]:
        return {name for wanted in dependencies for name in self._matching(wanted)}

    def _matching(self, wanted: ServiceName) -> Iterable[ServiceName]:
        if wanted.name != "*":
            return (wanted,) if wanted in self._services else ()
        first = bisect_left(self._order, ServiceName(wanted.namespace, ""))
        last = bisect_left(self._order, ServiceName(wanted.namespace + "\0", ""))
        return self._order[first:last]
