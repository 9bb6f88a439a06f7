"""Which clients may know of a service, of the service that answers for it, and of those its names lead to.

The rules are stated here only. Other modules ask. An index that answers faster is built from these rules.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from pilothouse.mesh.dependencies import EVERYTHING, Dependencies
from pilothouse.model.routing import Backend, Route
from pilothouse.model.services import Namespaces, ServiceName, ServiceSpec
from pilothouse.structures.cache import interned

_NOBODY: frozenset[str] = frozenset()


def includes(namespaces: Namespaces, namespace: str) -> bool:
    """Whether `namespaces` has the client's namespace, which is empty for a client without one.

    None has all.
    """
    return namespaces is None or namespace in namespaces


def union(*each: Namespaces) -> Namespaces:
    """The namespaces that are in any of these. None means all namespaces."""
    found = _NOBODY
    for namespaces in each:
        if namespaces is None:
            return None
        found |= namespaces
    return found


class Visibility(NamedTuple):
    """A service, and the namespaces whose clients may know of it. None means all namespaces."""

    name: ServiceName
    namespaces: Namespaces = None

    @classmethod
    def of(cls, spec: ServiceSpec) -> Visibility:
        return cls(spec.name, spec.exported_to)

    def beside(self, other: Visibility) -> bool:
        """Whether both services are in the same namespace."""
        return self.name.namespace == other.name.namespace


class Referrer(NamedTuple):
    """A service whose names lead to another, and what answers for it: the service itself, or an alias's
    target.

    `passes`: its routes lead clients of these namespaces to the other service, even if it is not exported to
    them.
    """

    called: Visibility
    answers: Visibility
    passes: Namespaces = _NOBODY


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Scope:
    """Which services a client sees: its dependencies, and its namespace, which also decides the short names.

    A client without a namespace sees only services that are exported to all. `outside` is the same scope
    without its namespace. Scopes of different namespaces share it.
    """

    dependencies: Dependencies = EVERYTHING
    namespace: str = ""
    #: Whether every service is a dependency. Each push to each stream asks.
    wants_everything: bool = field(init=False, compare=False, repr=False)
    _outside: Scope | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        outside = interned(Scope(self.dependencies)) if self.namespace else None
        object.__setattr__(self, "_outside", outside)
        object.__setattr__(self, "wants_everything", self.dependencies is EVERYTHING)

    @property
    def outside(self) -> Scope:
        return self._outside or self

    def sees(self, visibility: Visibility) -> bool:
        """Whether a service is exported to this namespace and is a dependency."""
        return self.may_see(visibility) and self.wants(visibility.name)

    def reaches(self, visibility: Visibility, referrers: Iterable[Referrer]) -> bool:
        """Whether a service is seen, or reached through a referrer."""
        return self.sees(visibility) or self.reaches_through(visibility, referrers)

    def reaches_through(self, visibility: Visibility, referrers: Iterable[Referrer]) -> bool:
        """Whether a service is reached through a referrer that is seen.

        A service that is not exported to this namespace is reached only if it answers for the referrer, or if
        a route of the referrer may pass it on.
        """
        return any(
            self.sees(one.called)
            and self.answered(one.called, one.answers)
            and (
                self.may_see(visibility)
                or visibility.name == one.answers.name
                or includes(one.passes, self.namespace)
            )
            for one in referrers
        )

    def answered(self, called: Visibility, answers: Visibility) -> bool:
        """Whether `answers` may answer for a visible service. The target of an alias may not be visible."""
        return self.may_see(answers) or answers.beside(called)

    def may_see(self, visibility: Visibility) -> bool:
        """Whether a service is exported to this namespace, dependency or not."""
        return includes(visibility.namespaces, self.namespace)

    def wants(self, name: ServiceName) -> bool:
        """Whether a service is a dependency, exported or not."""
        return self.dependencies.want(name)

    def inside(self, name: ServiceName) -> bool:
        """Whether the client is in the service's namespace.

        Then it also understands names without a namespace.
        """
        return name.namespace == self.namespace


def passed_on(spec: ServiceSpec) -> dict[ServiceName, Namespaces]:
    """The services that a service's routes lead to, each with the namespaces that the routes pass it on to.

    Clients of those namespaces reach it even if it is not exported to them. The routes of the service's own
    namespace pass on to all who may call the service, other routes only to clients of their own namespace.
    """
    found: dict[ServiceName, Namespaces] = {}
    for route in spec.routes:
        clients = None if route.namespace == spec.name.namespace else frozenset({route.namespace})
        for backend in route.backends:
            name = ServiceName.behind(backend)
            passed = clients if passes(spec, route, backend) else _NOBODY
            found[name] = union(found.get(name, _NOBODY), passed)
    return found


def passes(spec: ServiceSpec, route: Route, backend: Backend) -> bool:
    """Whether a route may lead clients to a backend that is not exported to them.

    A namespace may pass on its own services (decision 0014) and those granted to it (0017).
    """
    return backend.granted or backend.namespace == route.namespace == spec.name.namespace


def known_to(backend: Visibility, passed: bool, called: Visibility, answers: Visibility) -> Namespaces:
    """The namespaces whose clients a route of `called` may lead to a backend. None: all that may call it.

    Clients may be led there if they could call the backend themselves, if the route passes it on (`passed`),
    or if the backend is what answers them anyway.
    """
    known = backend.namespaces
    itself = backend.name == answers.name
    if passed or itself or known is None or (called.namespaces is not None and called.namespaces <= known):
        return None
    return known


def told_apart(visibility: Visibility, passed: Iterable[Namespaces]) -> frozenset[str]:
    """The namespaces that see more of a service, or more through it, than other namespaces do.

    `passed` has, for each service that it leads to, the namespaces that its routes pass that on to.
    """
    return _NOBODY.union(*(namespaces or () for namespaces in (visibility.namespaces, *passed)))
