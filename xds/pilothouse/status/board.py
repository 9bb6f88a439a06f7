"""What is known of the parents of routes, and which routes that concerns. Pure: time is the caller's.

The cost follows the change. A service that no route names costs one look-up. A service whose endpoints have
changed costs a comparison of its spec. Only what has decided otherwise is asked for its findings again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from pilothouse.kubernetes.objects.types import Key
from pilothouse.mesh.claims import Resolved, leads_to
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import Service, ServiceName
from pilothouse.serving.catalogue import Catalogue
from pilothouse.sources.kubernetes.shown import Shown, ShownRoutes
from pilothouse.status.conditions import Condition, Facts, Rejected, parents, programmed
from pilothouse.status.findings import findings
from pilothouse.structures.index import Index
from pilothouse.structures.turns import Steps

_ABOUT_ROUTES = (Reason.NO_SUCH_PARENT, Reason.CONSUMER_ROUTE)


class _Known(NamedTuple):
    facts: Facts
    resolved: Resolved | None


_NOTHING = _Known(Facts(), None)
_PROGRAMMED = programmed(Facts())


class Due(NamedTuple):
    """A status to write. `body` is for a server-side apply, which fails if the route is another by now.

    `turned` are the conditions whose status is another, each with the one before.
    """

    route: Shown
    body: dict[str, Any]
    turned: list[tuple[Condition, Condition | None]]


class Board:
    """`rejected` says how many proxies reject what a service has become, and what one of them says; `ours`,
    whether a service is one of the cluster.
    """

    def __init__(
        self,
        shown: ShownRoutes,
        services: Mapping[ServiceName, Service],
        catalogue: Catalogue,
        rejected: Callable[[ServiceName], tuple[int, str] | None] = lambda name: None,
        ours: Callable[[ServiceName], bool] = lambda name: True,
    ) -> None:
        self._shown, self._services, self._catalogue = shown, services, catalogue
        self._rejected, self._ours = rejected, ours
        self._known: dict[ServiceName, _Known] = {}
        self._parents_of = Index[ServiceName, ServiceName]()  # by a backend of their routes
        self._quarantined: dict[ServiceName, str] = {}
        self._in_trouble: dict[ServiceName, Condition] = {}  # of which was told

    def forget(self) -> None:
        """Look at every parent anew."""
        self._known.clear()
        self._in_trouble.clear()
        self._quarantined.clear()
        self._parents_of = Index[ServiceName, ServiceName]()

    def quarantine_moved(self) -> set[ServiceName]:
        """The services whose quarantine has begun, ended, or another reason since the last call."""
        now = {name: held.reason for name, held in self._catalogue.quarantined.items()}
        before, self._quarantined = self._quarantined, now
        return {name for name, _ in now.items() ^ before.items()}

    def turned(self, names: Iterable[ServiceName]) -> Iterator[tuple[ServiceName, Condition, Condition]]:
        """The Services that are programmed now, or not any more, each with how it was before."""
        for name in names:
            before = self._in_trouble.pop(name, _PROGRAMMED)
            if name not in self._services or not self._ours(name):
                continue
            now = programmed(self._at_proxies(name))
            if now.status != _PROGRAMMED.status:
                self._in_trouble[name] = now
            if now.status != before.status:
                yield name, now, before

    def stirred(self, names: Iterable[ServiceName]) -> Steps[set[Key]]:
        """The routes that have to be looked at, as something of these services has changed."""
        found: set[Key] = set()
        concerned = {parent for name in names for parent in (name, *self._parents_of.at(name))}
        for name in concerned:
            before = self._known.get(name, _NOTHING).facts
            if not self._shown.naming(name):
                self._put(name, None)
            elif self._facts_now(name) != before:
                found.update(self._shown.naming(name))
            yield
        return found

    def due(self, key: Key, now: str) -> Due | None:
        """The status to write. None if it is shown already, or the route is gone. `now` is as in a status."""
        route = self._shown.get(key)
        if route is None:
            return None
        facts = [self._facts(ref.service) for ref in route.refs]
        found = parents(key, route, facts, now)
        if found is None:
            return None
        status, turned = found
        # `parents` is one value for the API server, so what others have written since must not be lost.
        meta = {"name": key.name, "namespace": key.namespace, "resourceVersion": route.version}
        body = {"apiVersion": route.api_version, "kind": route.kind, "metadata": meta}
        return Due(route, {**body, "status": {"parents": status}}, turned)

    def _facts(self, name: ServiceName) -> Facts:
        known = self._known.get(name)
        return known.facts if known is not None else self._facts_now(name)

    def _facts_now(self, name: ServiceName) -> Facts:
        service = self._services.get(name)
        if service is None:
            self._put(name, None)  # else it would be kept when its routes are gone, as nothing tells of it
            return _NOTHING.facts
        before = self._known.get(name, _NOTHING)
        resolved = self._catalogue.resolve(service.spec)
        facts = self._at_proxies(name)._replace(
            spec=service.spec,
            findings=before.facts.findings if resolved == before.resolved else findings(resolved),
            unattached=tuple(_about_routes(service)),
        )
        self._put(name, _Known(facts, resolved))
        return facts

    def _at_proxies(self, name: ServiceName) -> Facts:
        held, rejected = self._catalogue.quarantined.get(name), self._rejected(name)
        return Facts(
            quarantine=held.reason if held else "",
            served=self._catalogue.serves(name),
            rejected=Rejected(*rejected) if rejected else None,
        )

    def _put(self, name: ServiceName, known: _Known | None) -> None:
        before = self._known.pop(name, None)
        if known is not None:
            self._known[name] = known
        old, new = (each.facts.spec if each else None for each in (before, known))
        if old != new:
            for backend in leads_to(old) if old else ():
                self._parents_of.discard(backend, name)
            for backend in leads_to(new) if new else ():
                self._parents_of.add(backend, name)


def _about_routes(service: Service) -> Iterable[Omission]:
    return (omission for omission in service.left_out if omission.reason in _ABOUT_ROUTES)
