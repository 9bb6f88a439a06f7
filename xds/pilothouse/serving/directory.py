"""The services in force, by name and by cluster, and which of them a scope reaches.

An alias leads to its target, and a service with routes leads to their backends. A client that sees the
service needs the clusters of these too, whether or not they are its dependencies.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Iterable, Iterator, Set
from copy import copy
from typing import NamedTuple

from pilothouse.mesh.names import owners
from pilothouse.mesh.visibility import Referrer, Scope, Visibility, includes, told_apart
from pilothouse.model.services import ServiceName
from pilothouse.structures.index import Index
from pilothouse.translate import Translated


class Counts(NamedTuple):
    """Numbers of resources. `listeners` does not count the egress listener."""

    clusters: int
    assignments: int
    listeners: int


class Directory:
    """The services in force, with indexes: no question costs a look at all services unless it is about
    all.
    """

    def __init__(self) -> None:
        self._services: dict[ServiceName, Translated] = {}
        self._order: list[ServiceName] = []  # sorted
        self._owners: dict[str, Translated] = {}  # by cluster name
        self._referrers = Index[ServiceName, ServiceName]()  # by service, the services that lead to it
        self._exporting = 0  # how many services are not exported to all
        # By namespace, how many services show it something that not all namespaces see.
        self._restricted: Counter[str] = Counter()
        #: How many load assignments there are, and how many listeners beside the egress listener.
        self.assignments = self.listeners = 0
        #: How many services are called by TLS server name.
        self.by_server_name = 0
        #: The clusters whose endpoints differ for clients on different nodes.
        self.by_node: set[str] = set()

    def copy(self) -> Directory:
        """A copy that can be changed while this one is read."""
        copied = copy(self)
        copied._services, copied._order = self._services.copy(), self._order.copy()
        copied._owners, copied._referrers = self._owners.copy(), self._referrers.copy()
        copied._restricted, copied.by_node = self._restricted.copy(), self.by_node.copy()
        return copied

    def get(self, name: ServiceName) -> Translated | None:
        return self._services.get(name)

    def after(self, name: ServiceName) -> Iterator[ServiceName]:
        """The names after this one, in order."""
        for place in range(bisect_right(self._order, name), len(self._order)):
            yield self._order[place]

    def all(self) -> list[Translated]:
        """Every service, in no order. A list, so that services can be put while the caller walks it."""
        return [*self._services.values()]

    def called(self, host: str, namespace: str) -> Iterator[Translated]:
        """The services that a host in lower case means to clients in a namespace."""
        for name in owners(host, namespace):
            found = self._services.get(name)
            if found is not None and found.resolved.names.has(host, name.namespace == namespace):
                yield found

    def holder(self, cluster: str) -> Translated | None:
        """The service that has this cluster, whether or not anybody sees it."""
        return self._owners.get(cluster)

    @property
    def counts(self) -> Counts:
        """The numbers of resources for a client that may see all."""
        return Counts(len(self.clusters), self.assignments, self.listeners)

    @property
    def clusters(self) -> Set[str]:
        """The names of all clusters."""
        return self._owners.keys()

    def put(self, old: Translated | None, new: Translated | None) -> None:
        """Replace the old version of a service by the new one. None for a version that does not exist."""
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

    def facet(self, scope: Scope) -> Scope:
        """The scope, or the scope without its namespace if the namespace sees the same as all others."""
        return scope if scope.namespace in self._restricted else scope.outside

    def referrers(self, name: ServiceName) -> Iterator[Referrer]:
        """The services that lead to this one."""
        return (self._services[referrer].referrer(name) for referrer in self._referrers.at(name))

    def sees(self, scope: Scope, visibility: Visibility) -> bool:
        """Whether a scope reaches a service, directly or through one that leads to it."""
        return scope.reaches(visibility, self.referrers(visibility.name))

    def owner(self, scope: Scope, cluster: str) -> Translated | None:
        """The service that has this cluster, if the scope reaches it."""
        owner = self._owners.get(cluster)
        if owner is None:
            return None
        spec = owner.service.spec
        # Each push to each stream asks, so the common case is as short as possible.
        if spec.exported_to is None and scope.wants_everything:
            return owner
        return owner if self.sees(scope, Visibility.of(spec)) else None

    def visible(self, scope: Scope) -> Iterator[Translated]:
        """The services in scope, in order of their names."""
        wanted = scope.dependencies
        names: Iterable[ServiceName] = self._order
        if wanted.services is not None:
            names = sorted(self._named(wanted.services))
        if wanted.excluded:
            names = filter(wanted.want, names)
        return self._exported(scope, names)

    def reachable(self, scope: Scope) -> Iterator[Translated]:
        """The services in scope and those that they lead to, in order of their names."""
        dependencies = scope.dependencies
        if dependencies.services is None and not (dependencies.excluded or self._exporting):
            return self.visible(scope)
        found = {each.service.name: each for each in self.visible(scope)}
        beyond = {name for each in found.values() for name in each.leads_to}
        for each in filter(None, map(self._services.get, beyond - found.keys())):
            if self.sees(scope, each.resolved.called):
                found[each.service.name] = each
        return iter([found[name] for name in sorted(found)])

    def unknown(self, scope: Scope) -> list[ServiceName]:
        """The services that a sidecar depends on by name and that do not exist (yet)."""
        said = scope.dependencies
        named = (name for name in said.services or said.named if name.name != "*")
        return sorted(name for name in named if not self._called(name))

    def _exported(self, scope: Scope, names: Iterable[ServiceName]) -> Iterator[Translated]:
        for name in names:
            found = self._services[name]
            if includes(found.service.spec.exported_to, scope.namespace):
                yield found

    def _link(self, new: Translated) -> None:
        for cluster in new.clusters:
            self._owners[cluster] = new
        self.by_node.update(cluster for cluster, pool in new.pools.items() if pool.outlook.by_node)
        for backend in new.leads_to:
            self._referrers.add(backend, new.service.name)
        self.assignments += len(new.pools)
        self.listeners += len(new.listeners)
        self.by_server_name += bool(new.chains.own)
        self._exporting += new.service.spec.exported_to is not None
        self._restricted.update(_told_apart(new))

    def _unlink(self, old: Translated) -> None:
        for cluster in old.clusters:
            del self._owners[cluster]
            self.by_node.discard(cluster)
        for backend in old.leads_to:
            self._referrers.discard(backend, old.service.name)
        self.assignments -= len(old.pools)
        self.listeners -= len(old.listeners)
        self.by_server_name -= bool(old.chains.own)
        self._exporting -= old.service.spec.exported_to is not None
        for namespace in _told_apart(old):
            self._restricted[namespace] -= 1
            if not self._restricted[namespace]:
                del self._restricted[namespace]

    def _named(self, dependencies: Iterable[ServiceName]) -> set[ServiceName]:
        return {name for wanted in dependencies for name in self._matching(wanted)}

    def _called(self, wanted: ServiceName) -> list[ServiceName]:
        """The service of the cluster and that of its cluster set, as far as they exist."""
        return [name for name in (wanted, wanted._replace(imported=True)) if name in self._services]

    def _matching(self, wanted: ServiceName) -> Iterable[ServiceName]:
        if wanted.name != "*":
            return self._called(wanted)
        first = bisect_left(self._order, ServiceName(wanted.namespace, ""))
        last = bisect_left(self._order, ServiceName(wanted.namespace + "\0", ""))
        return self._order[first:last]


def _told_apart(version: Translated) -> frozenset[str]:
    return told_apart(version.resolved.called, version.leads_to.values())
