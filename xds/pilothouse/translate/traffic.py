"""Gateway API rules as Envoy's routes, in the order of precedence that the Gateway API gives them.

What cannot be reached is answered and not passed over: 404 if no rule matches, 500 (gRPC: UNAVAILABLE) for
what a rule asks for in vain, be it a share of its requests (decision 0013).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from pilothouse._pb.envoy.config.route.v3.route_components_pb2 import Route as EnvoyRoute
from pilothouse.claims import Resolved
from pilothouse.model import Port, Protocol, ServiceName, ServiceSpec
from pilothouse.policy import HashOn
from pilothouse.reasons import Omission, Omit, Reason, unsaid
from pilothouse.routing import Backend, Labels, Match, PathKind, Route, RouteKind, Rule
from pilothouse.translate.actions import change_headers, forward, redirect, refuse, split
from pilothouse.translate.hashing import hash_by
from pilothouse.translate.matches import only_a_share
from pilothouse.translate.names import cluster_name, mesh_ports

_NOT_FOUND = 404
#: There is no cluster of this name, so Envoy closes connections to it.
NOWHERE = "refused"


class Ranked(NamedTuple):
    """One match of one rule, by what decides which of several is tried first."""

    rank: tuple[int, ...]
    match: Match
    rule: Rule
    kind: RouteKind

    @property
    def failure(self) -> int:
        """The status of what is asked for in vain; 503 is UNAVAILABLE to gRPC."""
        return 503 if self.kind is RouteKind.GRPC else 500


def request_routes(
    resolved: Resolved, port: Port, viewer: str = "", omit: Omit = unsaid
) -> list[EnvoyRoute] | None:
    """The routes of a port that speaks HTTP; None if its requests go to its own endpoints.

    `viewer` is the namespace of the clients. Their own routes to this service take the place of the
    service's, if one is for this port (GAMMA).
    """
    target = resolved.target
    if target is None or not target.routes:
        return None
    routes = [route for route in target.routes if route.port in (0, port.number)]
    _report_conflicts(routes, port, omit)
    routes = _seen_by(viewer, target, [route for route in routes if route.kind.of_requests])
    if not routes:
        return None
    clusters = Clusters(resolved, viewer, omit)
    found = [each for one in ranked(routes) for each in _rule_routes(one, port, clusters)]
    return [*found, refuse(Match(), _NOT_FOUND)]


def viewers(resolved: Resolved) -> list[str]:
    """The namespaces from which the routes of a service look different: those that have routes of their own
    to it, and those that alone may know of some of its backends.
    """
    target = resolved.target
    if target is None or not target.routes:
        return []
    found = {route.namespace for route in target.routes} - {target.name.namespace}
    for backend in resolved.backends:
        found |= _known_to(backend, resolved) or frozenset()
    return sorted(found)


def _known_to(backend: ServiceSpec, resolved: Resolved) -> frozenset[str] | None:
    """The namespaces that may know of a backend, of those that may call the service; None means: all.

    A service passes on what its own namespace keeps to itself (decision 0014).
    """
    known, called = backend.exported_to, resolved.spec.exported_to
    if known is None or (called is not None and called <= known):
        return None
    beside = resolved.target is not None and backend.exposed.beside(resolved.target.exposed)
    return None if beside else known


def _seen_by(viewer: str, target: ServiceSpec, routes: Sequence[Route]) -> list[Route]:
    own = [route for route in routes if route.namespace == viewer]
    return own or [route for route in routes if route.namespace == target.name.namespace]


def ranked(routes: Sequence[Route]) -> list[Ranked]:
    """All matches of all rules, the one to be tried first at the head; `routes` are in order of age."""
    found = [
        Ranked((*_precedence(match), age, place, number), match, rule, route.kind)
        for age, route in enumerate(routes)
        for place, rule in enumerate(route.rules)
        for number, match in enumerate(rule.matches)
    ]
    return sorted(found, key=lambda one: one.rank)


def _precedence(match: Match) -> tuple[int, int, int, int, int]:
    """Of an HTTPRoute by path, method, headers and query; of a GRPCRoute by service, method and headers."""
    if any(match.call):
        service, method = match.call
        return PathKind.EXACT.value, -service, -method, -len(match.headers), 0
    path = match.path
    return path.kind.value, -len(path.value), not match.method, -len(match.headers), -len(match.query)


class Clusters:
    """The clusters of backends, as clients in a namespace may know them, and of which there are none."""

    def __init__(self, resolved: Resolved, viewer: str, omit: Omit) -> None:
        self._resolved, self._viewer = resolved, viewer
        self._specs: Mapping[ServiceName, ServiceSpec] = {spec.name: spec for spec in resolved.backends}
        self._omit = omit

    def of(self, backend: Backend, subset: Labels = ()) -> str | None:
        """The cluster of a backend, if the route may refer to it and it is divided by these labels."""
        found = self._named(backend, subset)
        if isinstance(found, Omission):
            self._omit(found)
            return None
        return found

    def _named(self, backend: Backend, subset: Labels) -> str | Omission:
        if not backend.granted:
            return Omission(Reason.NOT_GRANTED, str(backend))
        spec = self._specs.get(ServiceName(backend.namespace, backend.name))
        if spec is None:
            return Omission(Reason.NO_SUCH_BACKEND, str(backend))
        known = _known_to(spec, self._resolved)
        if known is not None and self._viewer not in known:
            why = f"not to all who may call {self._resolved.spec.name}"
            return Omission(Reason.NOT_EXPORTED, str(backend), why)
        undivided = [key for key, _ in subset if key not in spec.policy.subset_labels]
        if undivided:
            why = f"it has no subsets by {', '.join(undivided)}"
            return Omission(Reason.NO_SUCH_BACKEND, str(backend), why)
        for port in mesh_ports(spec):
            if port.number == backend.port:
                return cluster_name(spec, port)
        return Omission(Reason.NO_SUCH_BACKEND, str(backend))

    def shares(self, rule: Rule) -> tuple[list[tuple[str, Backend]], int]:
        """The clusters of its backends that have any weight, and the weight of those that have no cluster."""
        found: list[tuple[str, Backend]] = []
        lost = 0
        for backend in rule.backends:
            cluster = self.of(backend, rule.subset) if backend.weight else None
            if cluster is not None:
                found.append((cluster, backend))
            else:
                lost += backend.weight
        return found, lost

    def hashed(self, backends: Iterable[Backend]) -> Iterable[HashOn]:
        """What these hash, each thing once; a cluster that hashes nothing does not mind."""
        specs = (self._specs.get(ServiceName(backend.namespace, backend.name)) for backend in backends)
        found = (spec.policy.hash_on for spec in specs if spec is not None)
        return dict.fromkeys(hash_on for hash_on in found if hash_on is not None)

    def unsupported(self, rule: Rule) -> None:
        self._omit(Omission(Reason.UNSUPPORTED_RULE, rule.unsupported))


def _rule_routes(one: Ranked, port: Port, clusters: Clusters) -> Iterator[EnvoyRoute]:
    match, rule = one.match, one.rule
    if rule.unsupported:
        clusters.unsupported(rule)
        yield refuse(match, one.failure)
        return
    if rule.filters.redirect is not None:
        route = redirect(match, rule.filters.redirect, port.number)
        change_headers(route, rule.filters.request, rule.filters.response)
        yield from split(route, match, rule.filters.redirect.path)
        return
    found, lost = clusters.shares(rule)
    if not found:
        yield refuse(match, one.failure)
        return
    if lost:
        share = refuse(match, one.failure)
        only_a_share(share, lost, lost + sum(backend.weight for _, backend in found))
        yield share
    mirrors = ((clusters.of(mirror.backend), mirror.parts_per_million) for mirror in rule.filters.mirrors)
    route = forward(match, rule, found, [(cluster, parts) for cluster, parts in mirrors if cluster])
    for hash_on in clusters.hashed(backend for _, backend in found):
        hash_by(route, hash_on)
    yield from split(route, match, rule.filters.path)


def hashes(resolved: Resolved) -> bool:
    """Whether anything that a service's connections go to is chosen by a hash."""
    return any(spec is not None and spec.policy.hash_on for spec in (resolved.target, *resolved.backends))


def connection_shares(resolved: Resolved, port: Port, omit: Omit = unsaid) -> list[tuple[str, int]]:
    """The clusters of a port without HTTP, and the weight of each; what has no cluster goes NOWHERE."""
    target = resolved.target
    if target is None:
        return [(NOWHERE, 1)]
    routes = [route for route in target.routes if route.port in (0, port.number)]
    _report_conflicts(routes, port, omit)
    kind = RouteKind.TLS if port.protocol is Protocol.TLS else RouteKind.TCP
    routes = [route for route in routes if route.kind in (kind, RouteKind.TCP)]
    if not routes:
        return [(cluster_name(target, port), 1)]
    for younger in routes[1:]:
        omit(Omission(Reason.ROUTE_CONFLICT, str(younger), f"{routes[0]} has port {port.number}"))
    clusters = Clusters(resolved, "", omit)
    rule = routes[0].rules[0] if routes[0].rules else Rule()
    if rule.unsupported:
        clusters.unsupported(rule)
    found, lost = clusters.shares(rule)
    shares = [(cluster, backend.weight) for cluster, backend in found]
    return [*shares, (NOWHERE, lost or 1)] if lost or not found else shares


def _report_conflicts(routes: Iterable[Route], port: Port, omit: Omit) -> None:
    for route in routes:
        if route.port and route.kind.of_requests != port.protocol.by_host:
            why = f"port {port.number} speaks {port.protocol.value}"
            omit(Omission(Reason.ROUTE_CONFLICT, str(route), why))
