"""Who may know of what: of a service, of what answers for it, and of what its names lead to.

The rules are stated here. Others ask; an index that answers faster is built from what is said here.
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
    """Whether something is for clients in a namespace; an empty one is that of clients without any."""
    return namespaces is None or namespace in namespaces


def union(*each: Namespaces) -> Namespaces:
    """The namespaces that are in any of these."""
    found = _NOBODY
    for namespaces in each:
        if namespaces is None:
            return None
        found |= namespaces
    return found


class Visibility(NamedTuple):
    """A service, and the namespaces whose clients may know of it; None means: all of them."""

    name: ServiceName
    namespaces: Namespaces = None

    @classmethod
    def of(cls, spec: ServiceSpec) -> Visibility:
        return cls(spec.name, spec.exported_to)

    def beside(self, other: Visibility) -> bool:
        """Whether both are services of one namespace."""
        return self.name.namespace == other.name.namespace


class Referrer(NamedTuple):
    """A service whose names lead to another, and what answers for it: itself, unless it is an alias.

    `passes` are the namespaces to whose clients its routes pass the other on, exported to them or not.
    """

    called: Visibility
    answers: Visibility
    passes: Namespaces = _NOBODY


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Scope:
    """Which services may be seen, and from which namespace: its short names are its own.

    Without a namespace, what is exported to some is not seen. `outside` is the same scope without one,
    which it shares with those of other namespaces.
    """

    dependencies: Dependencies = EVERYTHING
    namespace: str = ""
    #: Whether it sees all that is exported to all. Asked at each push to each stream.
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
        """Whether a service is exported to this namespace and a dependency."""
        return self.may_see(visibility) and self.wants(visibility.name)

    def reaches(self, visibility: Visibility, referrers: Iterable[Referrer]) -> bool:
        """Whether a service is seen, or reached by the names of those that lead to it."""
        return self.sees(visibility) or self.reaches_through(visibility, referrers)

    def reaches_through(self, visibility: Visibility, referrers: Iterable[Referrer]) -> bool:
        """Whether a service is reached by the names of others, which lead to it.

        What is not exported to this namespace is reached if it answers for a service that is seen, or if a
        route leads there that may.
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
        """Whether what answers for a service that is seen may do so: an alias can lead to what is not."""
        return self.may_see(answers) or answers.beside(called)

    def may_see(self, visibility: Visibility) -> bool:
        """Whether a service is exported to this namespace, be it a dependency or not."""
        return includes(visibility.namespaces, self.namespace)

    def wants(self, name: ServiceName) -> bool:
        """Whether a service is a dependency, be it exported or not."""
        return self.dependencies.want(name)

    def inside(self, name: ServiceName) -> bool:
        """Whether clients are in the namespace of a service, and call it by names without one, too."""
        return name.namespace == self.namespace


def passed_on(spec: ServiceSpec) -> dict[ServiceName, Namespaces]:
    """The services that its routes lead to, and to clients of which namespaces even past what is exported.

    The service's own routes pass on to all who may call it, others to the clients of their namespace.
    """
    found: dict[ServiceName, Namespaces] = {}
    for route in spec.routes:
        clients = None if route.namespace == spec.name.namespace else frozenset({route.namespace})
        for backend in route.backends:
            name = ServiceName(backend.namespace, backend.name)
            passed = clients if passes(spec, route, backend) else _NOBODY
            found[name] = union(found.get(name, _NOBODY), passed)
    return found


def passes(spec: ServiceSpec, route: Route, backend: Backend) -> bool:
    """Whether a route of a service may lead clients to a backend that is not exported to them.

    A namespace passes on what it keeps to itself (decision 0014), and what is granted to it (0017).
    """
    return backend.granted or backend.namespace == route.namespace == spec.name.namespace


def known_to(backend: Visibility, passed: bool, called: Visibility, answers: Visibility) -> Namespaces:
    """The namespaces whose clients may be led to a backend, of those that may call a service; None: all.

    They may if they could call it themselves, if a route passes it on, and if it is what answers them.
    """
    known = backend.namespaces
    itself = backend.name == answers.name
    if passed or itself or known is None or (called.namespaces is not None and called.namespaces <= known):
        return None
    return known


def told_apart(visibility: Visibility, passed: Iterable[Namespaces]) -> frozenset[str]:
    """The namespaces that may see more of a service, or through it, than any other namespace.

    `passed` are those to which its routes pass on each service that it leads to.
    """
    return _NOBODY.union(*(namespaces or () for namespaces in (visibility.namespaces, *passed)))
