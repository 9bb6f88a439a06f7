"""Gateway API rules as Envoy's routes, in the order of precedence that the Gateway API gives them.

What cannot be reached is answered and not passed over: 404 if no rule matches, 500 (gRPC: UNAVAILABLE) for
what a rule asks for in vain, be it a share of its requests (decision 0013). The body says why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pilothouse._pb.envoy.config.route.v3.route_components_pb2 import Route as EnvoyRoute
from pilothouse.encoding import rules
from pilothouse.mesh.claims import Resolved, passes
from pilothouse.model.reasons import Omission, Omit, Reason, unsaid
from pilothouse.model.routing import Backend, Match, PathKind, Route, RouteKind, Rule, Session
from pilothouse.model.services import Port, Protocol, ServiceName, ServiceSpec
from pilothouse.translate.hashing import hash_by
from pilothouse.translate.names import cluster_name, mesh_ports
from pilothouse.translate.routes.actions import forward, redirects, refuse, split
from pilothouse.translate.routes.backends import Clusters, known_to
from pilothouse.translate.routes.cors import preflight
from pilothouse.translate.routes.matches import matched, only_a_share
from pilothouse.translate.routes.sessions import mark, marking

_NOT_FOUND = 404
_IN_VAIN = "asks for something that is not to be had"
_NO_BACKEND = "has no backend that can be called"
#: There is no cluster of this name, so Envoy closes connections to it.
NOWHERE = "refused"
#: The first of these that there is at a port is in force there.
_KINDS = (RouteKind.GRPC, RouteKind.HTTP, RouteKind.TLS, RouteKind.TCP)


class Ranked(NamedTuple):
    """One match of one rule, by what decides which of several is tried first."""

    rank: tuple[int, ...]
    match: Match
    rule: Rule
    route: Route

    @property
    def failure(self) -> int:
        """The status of what is asked for in vain; 503 is UNAVAILABLE to gRPC."""
        return 503 if self.route.kind is RouteKind.GRPC else 500

    def refused(self, what: str, reasons: Sequence[str]) -> EnvoyRoute:
        """The answer to what is asked for in vain."""
        why = f": {', '.join(reasons)}" if reasons else ""
        return refuse(self.match, self.failure, f"{self.route} {what}{why}")


def request_routes(
    resolved: Resolved, port: Port, viewer: str = "", omit: Omit = unsaid
) -> list[EnvoyRoute] | None:
    """The routes of a port that speaks HTTP; None if its requests go to its own endpoints.

    `viewer` is the namespace of the clients. Their own routes to this service take the place of the
    service's, if one is for this port (GAMMA).
    """
    target = resolved.answering
    routes = _in_force(target, port, viewer, omit) if target is not None else ()
    if not routes:
        return None
    clusters = Clusters(resolved, viewer, omit)
    found = [each for one in ranked(routes) for each in _kept(one, port, clusters)]
    unmatched = f"no rule of the routes of {resolved.spec.name} matches this request"
    return [*found, refuse(Match(), _NOT_FOUND, unmatched)]


def viewers(resolved: Resolved) -> list[str]:
    """The namespaces from which the routes of a service look different: those that have routes of their own
    to it, and those that alone may know of some of its backends.
    """
    target = resolved.answering
    if target is None or not target.routes:
        return []
    found = {route.namespace for route in target.routes} - {target.name.namespace}
    specs = {spec.name: spec for spec in resolved.backends}
    for route in target.routes:
        for backend in route.backends:
            spec = specs.get(ServiceName(backend.namespace, backend.name))
            if spec is not None:
                found |= known_to(spec, passes(target, route, backend), resolved) or frozenset()
    return sorted(found)


def _in_force(target: ServiceSpec, port: Port, viewer: str, omit: Omit) -> list[Route]:
    """The routes that clients in a namespace follow at a port; all of one kind (GEP-1294, route types)."""
    bound = [route for route in target.routes if route.port in (0, port.number)]
    seen = _seen_by(viewer, target, [route for route in bound if _fits(route.kind, port.protocol)])
    kind = min((route.kind for route in seen), key=_KINDS.index, default=None)
    found = [route for route in seen if route.kind is kind]
    for route in bound:
        if not _fits(route.kind, port.protocol):
            _report_misfit(route, target, port, found, omit)
        elif route in seen and route.kind is not kind:
            omit(Omission(Reason.ROUTE_CONFLICT, str(route), f"{found[0]} has port {port.number}"))
    return found


def _fits(kind: RouteKind, protocol: Protocol) -> bool:
    if protocol.by_host:
        return kind.of_requests
    return kind is RouteKind.TCP or (kind is RouteKind.TLS and protocol is Protocol.TLS)


def _report_misfit(
    route: Route, target: ServiceSpec, port: Port, in_force: Sequence[Route], omit: Omit
) -> None:
    """A route for all ports is none too many at one, unless another has that or none is left for it."""
    fits = any(_fits(route.kind, other.protocol) for other in mesh_ports(target))
    if route.port or in_force or not fits:
        why = f"port {port.number} speaks {port.protocol.value}"
        omit(Omission(Reason.ROUTE_CONFLICT, str(route), why))


def _seen_by(viewer: str, target: ServiceSpec, routes: Sequence[Route]) -> list[Route]:
    own = [route for route in routes if route.namespace == viewer]
    return own or [route for route in routes if route.namespace == target.name.namespace]


def ranked(routes: Sequence[Route]) -> list[Ranked]:
    """All matches of all rules, the one to be tried first at the head; `routes` are in order of age.

    A match of which Envoy cannot compare a condition comes after those that are the same without it.
    """
    found = [
        Ranked((*_precedence(match), bool(match.unsupported), age, place, number), match, rule, route)
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


def _kept(one: Ranked, port: Port, clusters: Clusters) -> list[EnvoyRoute]:
    """The routes for a match. If one breaks a rule of Envoy's, a refusal, or all routes would be refused."""
    try:
        return _checked([*_rule_routes(one, port, clusters)])
    except ValueError as violation:  # of a rule, or of what no message can hold at all
        why = str(violation)
        clusters.unsupported(why)
    try:
        return _checked([one.refused(_IN_VAIN, [why])])
    except ValueError:  # no request can be told by this match
        return []


def _checked(found: list[EnvoyRoute]) -> list[EnvoyRoute]:
    for route in found:
        rules.check(route)
    return found


def _rule_routes(one: Ranked, port: Port, clusters: Clusters) -> Iterator[EnvoyRoute]:
    match, rule = one.match, one.rule
    unsupported = match.unsupported or rule.unsupported
    if unsupported:
        clusters.unsupported(unsupported)
        yield one.refused(_IN_VAIN, [unsupported])
    elif rule.filters.redirect is not None:
        said = rule.filters.redirect
        for route in redirects(match, rule, said, port.number, clusters.hosts()):
            yield from split(route, match, said.path)
    else:
        yield from _forwarded(one, clusters)


def _forwarded(one: Ranked, clusters: Clusters) -> Iterator[EnvoyRoute]:
    rule = one.rule
    found, lost = clusters.shares(one.route, rule)
    if rule.session is not None and len(rule.backends) > 1:
        yield from _returning(one, rule.session, clusters)
        found = [(cluster, _marked(backend, rule.session, cluster)) for cluster, backend in found]
    if not found:
        yield one.refused(_NO_BACKEND, clusters.faults(one.route, rule))
        return
    if lost:
        share = one.refused(f"{_NO_BACKEND} for this share of its requests", clusters.faults(one.route, rule))
        only_a_share(share, lost, lost + sum(backend.weight for _, backend in found))
        yield share
    yield from _to(one, found, clusters)


def _to(one: Ranked, found: Sequence[tuple[str, Backend]], clusters: Clusters) -> Iterator[EnvoyRoute]:
    match, rule = one.match, one.rule
    route = forward(match, rule, found, clusters.mirrors(one.route, rule))
    for hash_on in clusters.hashed(backend for _, backend in found):
        hash_by(route, hash_on)
    yield from split(route, match, rule.filters.path)
    asked = preflight(match, rule.filters.cors)
    if asked is not None:
        route.match.CopyFrom(matched(asked))
        yield route


def _returning(one: Ranked, session: Session, clusters: Clusters) -> Iterator[EnvoyRoute]:
    """Who has a session with one of several backends goes there, whatever its weight (GEP-1619)."""
    for backend in one.rule.backends:
        cluster = clusters.of(one.route, backend, one.rule.subset)
        if cluster is not None:
            for route in _to(one, [(cluster, backend)], clusters):
                route.match.headers.add(name="cookie").string_match.contains = mark(session, cluster)
                yield route


def _marked(backend: Backend, session: Session, cluster: str) -> Backend:
    return backend._replace(response=backend.response.then(marking(session, cluster)))


def hashes(resolved: Resolved) -> bool:
    """Whether anything that a service's connections go to is chosen by a hash."""
    return any(spec is not None and spec.policy.hash_on for spec in (resolved.answering, *resolved.backends))


def connection_shares(resolved: Resolved, port: Port, omit: Omit = unsaid) -> list[tuple[str, int]]:
    """The clusters of a port without HTTP, and the weight of each; what has no cluster goes NOWHERE."""
    target = resolved.answering
    if target is None:
        return [(NOWHERE, 1)]
    routes = _in_force(target, port, "", omit)
    if not routes:
        return [(cluster_name(target, port), 1)]
    for younger in routes[1:]:
        omit(Omission(Reason.ROUTE_CONFLICT, str(younger), f"{routes[0]} has port {port.number}"))
    clusters = Clusters(resolved, "", omit)
    rule = routes[0].rules[0] if routes[0].rules else Rule()
    if rule.unsupported:
        clusters.unsupported(rule.unsupported)
    found, lost = clusters.shares(routes[0], rule)
    shares = [(cluster, backend.weight) for cluster, backend in found]
    return [*shares, (NOWHERE, lost or 1)] if lost or not found else shares
