"""Which routes are attached to which Service, and for which backends they have a grant."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace

from pilothouse.kubernetes.objects.types import Grant, GrantedFrom, Key, Parent, RouteObject
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.routing import Backend, Mirror, Route, Rule
from pilothouse.model.services import Port, ServiceName
from pilothouse.structures.index import Index


class Routes:
    """The routes and grants of a cluster. A change costs time in proportion to the routes it concerns."""

    def __init__(self) -> None:
        self._routes: dict[Key, RouteObject] = {}
        self._grants: dict[Key, Grant] = {}
        self._by_parent = Index[ServiceName, Key]()

    def put(self, key: Key, old: RouteObject | Grant | None, new: RouteObject | Grant | None) -> None:
        if isinstance(old, RouteObject):
            del self._routes[key]
            for parent in _services(old):
                self._by_parent.discard(parent, key)
        elif old is not None:
            del self._grants[key]
        if isinstance(new, RouteObject):
            self._routes[key] = new
            for parent in _services(new):
                self._by_parent.add(parent, key)
        elif new is not None:
            self._grants[key] = new

    @property
    def grants(self) -> Collection[Grant]:
        return self._grants.values()

    def concerned(self, changed: RouteObject | Grant) -> Iterator[ServiceName]:
        """The parents of a route, or of all routes that a grant may concern."""
        if isinstance(changed, RouteObject):
            yield from _services(changed)
            return
        namespaces = {source.namespace for source in changed.sources}
        for route in [*self._routes.values()]:
            if route.namespace in namespaces:
                yield from _services(route)

    def naming(self, name: ServiceName) -> Collection[Key]:
        """The routes that name a Service as a parent, whether or not the Service exists."""
        return self._by_parent.at(name)

    def attached(
        self, name: ServiceName, ports: Iterable[Port]
    ) -> tuple[tuple[Route, ...], tuple[Omission, ...]]:
        """The routes of a service, the oldest first, and the attachments that are left out."""
        found: list[Route] = []
        left_out: list[Omission] = []
        for key in sorted(self._by_parent.at(name)):
            route = self._routes[key]
            if route.namespace != name.namespace and not route.kind.of_requests:
                left_out.append(Omission(Reason.CONSUMER_ROUTE, str(key)))
                continue
            for parent in route.parents:
                if parent.service != name:
                    continue
                number = port_number(parent, ports)
                if number is None:
                    what = f"port {parent.section or parent.port} of {name}"
                    left_out.append(Omission(Reason.NO_SUCH_PARENT, str(key), what))
                else:
                    found.append(self._route(route, number))
        # "~" sorts after every time, so a route without a creation time counts as the youngest.
        found.sort(key=lambda route: (route.created or "~", route.namespace, route.name, route.port))
        return tuple(found), tuple(left_out)

    def _route(self, route: RouteObject, port: int) -> Route:
        source = GrantedFrom(route.kind.value, route.namespace)

        def admitted(backend: Backend) -> Backend:
            return backend._replace(granted=True) if self._permits(source, backend) else backend

        rules = tuple(_with_backends(rule, admitted) for rule in route.rules)
        return Route(route.kind, route.namespace, route.name, rules, port, route.created)

    def _permits(self, source: GrantedFrom, backend: Backend) -> bool:
        grants = (grant for grant in self._grants.values() if grant.namespace == backend.namespace)
        return any(grant.permits(source, ServiceName.behind(backend)) for grant in grants)


def _services(route: RouteObject) -> set[ServiceName]:
    return {parent.service for parent in route.parents}


def port_number(parent: Parent, ports: Iterable[Port]) -> int | None:
    """The number of the port that a parentRef names; 0 for all ports; None if there is no such port."""
    if not parent.port and not parent.section:
        return 0
    for port in ports:
        if parent.port in (0, port.number) and parent.section in ("", port.name):
            return port.number
    return None


def _with_backends(rule: Rule, admitted: Callable[[Backend], Backend]) -> Rule:
    mirrors = tuple(Mirror(admitted(each.backend), each.parts_per_million) for each in rule.filters.mirrors)
    filters = rule.filters._replace(mirrors=mirrors)
    return replace(rule, backends=tuple(map(admitted, rule.backends)), filters=filters)
