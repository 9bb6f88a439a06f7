"""The effect of a change in the registry on what is served, and the clients that it concerns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, TypeVar

from pilothouse.encoding.types import Changes, ResourceType
from pilothouse.mesh.audience import Dialect
from pilothouse.mesh.visibility import Referrer, Scope, Visibility, union
from pilothouse.model.services import Namespaces, ServiceName
from pilothouse.serving.directory import Directory
from pilothouse.translate import NOT_CAPTURED, Captured, Translated
from pilothouse.translate.naming import resource_name
from pilothouse.translate.proxyless import targets

#: The services that a change touches, each with the version that was in force before.
Before: TypeAlias = Mapping[ServiceName, Translated | None]
#: What a service contributes for clients that capture HTTP at virtual IPs, if there are any.
Following: TypeAlias = Callable[[Translated], Captured]

_Name = TypeVar("_Name")
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Change:
    """The effect of one service's change: the names of resources that were created, changed or removed, by
    type.

    `targets`: the targets that gRPC clients may dial, if some came or went.
    `referrers`: the services that lead to this one. A client that sees one of them is concerned by this
    service's clusters and endpoints.
    """

    service: Visibility  # the namespaces to which it was exported before, or is now
    names: Changes
    targets: frozenset[str] = frozenset()
    referrers: frozenset[Referrer] = frozenset()

    def seen(self, scope: Scope, dialect: Dialect) -> Changes:
        """The changed names that a client of this scope and dialect can see."""
        if scope.sees(self.service):
            return _spoken(self, dialect)
        if scope.reaches_through(self.service, self.referrers):
            return _spoken(_through_referrers(self), dialect)
        return {}


def change(name: ServiceName, before: Before, directory: Directory, captured: Following) -> Change:
    """The effect on a service, and on the clusters that its names lead to, since `before`."""
    old, new = before[name], directory.get(name)
    names = _difference(old, new, captured)
    moved = _changed(old.leads_to if old else {}, new.leads_to if new else {})
    if old and new and _exports(old) != _exports(new):
        # Some clients lose sight of the whole service, and others gain it.
        names = _united(_difference(old, None, captured), _difference(None, new, captured))
        moved = frozenset(old.leads_to.keys() | new.leads_to.keys())
    told = frozenset[str]()
    # `resolved` stays the same object while only endpoints change.
    if not old or not new or old.resolved is not new.resolved:
        told = told.union(*(targets(version.resolved) for version in (old, new) if version))
    if moved:
        versions = (version for to in moved for version in (before.get(to), directory.get(to)))
        clusters = frozenset(cluster for version in versions if version for cluster in version.clusters)
        names = _united(names, {ResourceType.CLUSTER: clusters, ResourceType.ENDPOINTS: clusters})
    return Change(_visibility(name, old, new), names, told, frozenset(directory.referrers(name)))


class Noticed(Protocol):
    """A change of any feed. It says which changed names can be seen in a scope."""

    def seen(self, scope: Scope, dialect: Dialect) -> Changes: ...


def concerns(change: Change, scope: Scope) -> bool:
    """Whether anything of a change can be seen in a scope."""
    return scope.reaches(change.service, change.referrers)


def affected(changes: Iterable[Noticed], scope: Scope, dialect: Dialect) -> Changes:
    """The names changed by any of these changes that can be seen in a scope."""
    seen = [names for change in changes if (names := change.seen(scope, dialect))]
    if len(seen) == 1:
        return seen[0]
    return _united(*seen)


def _through_referrers(change: Change) -> Change:
    """The part of a change for clients that see only a referrer of the service."""
    types = (ResourceType.CLUSTER, ResourceType.ENDPOINTS)
    return Change(change.service, {type: names for type, names in change.names.items() if type in types})


def _spoken(change: Change, dialect: Dialect) -> Changes:
    """The changed names in a dialect."""
    if dialect is Dialect.ENVOY:
        return change.names
    others = (ResourceType.LISTENER, ResourceType.ROUTES)
    names = {type: found for type, found in change.names.items() if type not in others}
    if change.targets:  # an alias has targets without a cluster of its own
        names |= {ResourceType.LISTENER: change.targets}
    if ResourceType.CLUSTER in names:
        names |= {ResourceType.ROUTES: names[ResourceType.CLUSTER]}
    return names


def _visibility(name: ServiceName, old: Translated | None, new: Translated | None) -> Visibility:
    """The namespaces that could see a service before, or can now."""
    versions = (version for version in (old, new) if version is not None)
    return Visibility(name, union(*(version.resolved.called.namespaces for version in versions)))


def _exports(version: Translated) -> tuple[Namespaces, Namespaces]:
    """The namespaces to which a service is exported, and those to which the answering service is."""
    return version.resolved.called.namespaces, version.resolved.answers.namespaces


def _difference(old: Translated | None, new: Translated | None, captured: Following) -> Changes:
    if old is new:
        return {}
    was, now = captured(old) if old else NOT_CAPTURED, captured(new) if new else NOT_CAPTURED
    names = {
        ResourceType.CLUSTER: _changed(old.clusters if old else {}, new.clusters if new else {}),
        ResourceType.ENDPOINTS: _changed(old.pools if old else {}, new.pools if new else {}),
        ResourceType.LISTENER: _changed(old.all_listeners if old else {}, new.all_listeners if new else {})
        | _changed(was.listeners, now.listeners),
        ResourceType.ROUTES: _changed(old.routes if old else {}, new.routes if new else {})
        | _changed(was.listeners, now.listeners),  # these listeners have routes of the same names
        ResourceType.NAMES: _renamed(old, new),
    }
    return {type: changed for type, changed in names.items() if changed}


def _renamed(old: Translated | None, new: Translated | None) -> frozenset[str]:
    """The names of the resources for resolvers that may differ."""
    if old and new and old.resolved is new.resolved:
        before, after = old.service, new.service
        if not after.spec.headless or before.endpoints == after.endpoints:
            return frozenset()
    return frozenset(resource_name(each.service.spec) for each in (old, new) if each)


def _united(*changes: Changes) -> Changes:
    types = {type: None for names in changes for type in names}
    return {type: frozenset().union(*(names.get(type, ()) for names in changes)) for type in types}


def _changed(old: Mapping[_Name, object], new: Mapping[_Name, object]) -> frozenset[_Name]:
    if old is new:
        return frozenset()
    return frozenset(
        name for name in old.keys() | new.keys() if old.get(name, _ABSENT) != new.get(name, _ABSENT)
    )
