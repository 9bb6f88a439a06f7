"""Decides, in plain values, what happens to the requests and connections of a port.

Rules are tried in the order of precedence of the Gateway API. Everything that is left out has a reason.

A request that cannot be served gets an error and is never left to another rule (decision 0013). It gets 404
if no rule matches, and 500 (gRPC: UNAVAILABLE) if its rule, or its share of the rule, cannot be served. The
body says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from pilothouse.mesh.claims import Resolved
from pilothouse.mesh.visibility import Visibility, known_to, passes
from pilothouse.model.policy import HashOn
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.routing import Backend, Match, PathKind, Redirect, Route, RouteKind, Rule, Session
from pilothouse.model.services import Port, Protocol, ServiceName, ServiceSpec
from pilothouse.translate.names import cluster_name, mesh_ports
from pilothouse.translate.routes.backends import Clusters
from pilothouse.translate.routes.sessions import mark, marking

_IN_VAIN = "asks for something that is not to be had"
_NO_BACKEND = "has no backend that can be called"
#: No cluster has this name, so Envoy closes connections to it.
NOWHERE = "refused"
#: If routes of several kinds are bound to a port, the first of these kinds is in force.
_KINDS = (RouteKind.GRPC, RouteKind.HTTP, RouteKind.TLS, RouteKind.TCP)


class Refusal(NamedTuple):
    """An error answer. With a `share` of (part, whole), only that part of the requests gets it."""

    status: int
    why: str
    share: tuple[int, int] | None = None


class Redirection(NamedTuple):
    """A redirect. `hosts` and `port` are those by which clients ask for the service."""

    said: Redirect
    port: int
    hosts: tuple[str, ...]


class Forwarding(NamedTuple):
    """Forward to clusters by weight (`shares`), with copies to others (`copies`, in parts per million).

    With a `cookie`, this is for requests that have this cookie.
    """

    shares: tuple[tuple[str, Backend], ...]
    copies: tuple[tuple[str, int], ...]
    hashed: tuple[HashOn, ...]
    cookie: str = ""


Action: TypeAlias = Refusal | Redirection | Forwarding


class Ranked(NamedTuple):
    """One match of one rule. Matches are tried in the order of `rank`."""

    rank: tuple[int, ...]
    match: Match
    rule: Rule
    route: Route

    @property
    def rule_number(self) -> int:
        """Which of the rules of its route it is, from 0."""
        return self.rank[-2]

    @property
    def failure(self) -> int:
        """The status for a request that its rule cannot serve. gRPC reads 503 as UNAVAILABLE."""
        return 503 if self.route.kind is RouteKind.GRPC else 500

    def refused(self, what: str, reasons: Sequence[str], share: tuple[int, int] | None = None) -> Refusal:
        """The refusal for requests that the rule cannot serve."""
        why = f": {', '.join(reasons)}" if reasons else ""
        return Refusal(self.failure, f"{self.route} {what}{why}", share)

    def unsupported(self, why: str) -> Answer:
        """The answer if the rule or the match asks for something that Envoy cannot do."""
        return Answer(self, (self.refused(_IN_VAIN, [why]),), (Omission(Reason.UNSUPPORTED_RULE, why),))


class Answer(NamedTuple):
    """What happens to requests that match. The first action that applies to a request is taken."""

    one: Ranked
    actions: tuple[Action, ...]
    omissions: tuple[Omission, ...] = ()


class InForce(NamedTuple):
    """The routes in force at a port, oldest first, and why other routes are not in force."""

    routes: tuple[Route, ...]
    omissions: tuple[Omission, ...] = ()


class Requests(NamedTuple):
    """What happens to the requests of a port. Answers are tried in order.

    If no routes are in force, requests go to the port's own endpoints.
    """

    in_force: InForce
    answers: tuple[Answer, ...] = ()


class Connections(NamedTuple):
    """The clusters of a port that does not speak HTTP, with weights.

    Shares without a cluster go to NOWHERE.
    """

    shares: tuple[tuple[str, int], ...]
    omissions: tuple[Omission, ...] = ()


def requests_at(resolved: Resolved, port: Port, viewer: str = "") -> Requests:
    """What happens to requests at a port that speaks HTTP.

    `viewer` is the namespace of the clients. If its own routes to this service cover this port, they replace
    the service's routes (GAMMA).
    """
    target = resolved.answering
    if target is None:
        return Requests(InForce(()))
    found = in_force(target, port, viewer)
    clusters = Clusters(resolved, viewer)
    return Requests(found, tuple(_answer(one, port, clusters) for one in ranked(found.routes)))


def connections_at(resolved: Resolved, port: Port) -> Connections:
    """What happens to connections at a port that does not speak HTTP."""
    target = resolved.answering
    if target is None:
        return Connections(((NOWHERE, 1),))
    routes, omissions = in_force(target, port)
    if not routes:
        return Connections(((cluster_name(target, port), 1),), omissions)
    first, *younger = routes
    told = [*omissions]
    told += [Omission(Reason.ROUTE_CONFLICT, str(one), f"{first} has port {port.number}") for one in younger]
    rule = first.rules[0] if first.rules else Rule()
    if rule.unsupported:
        told.append(Omission(Reason.UNSUPPORTED_RULE, rule.unsupported))
    found, lost, without = Clusters(resolved, "").shares(first, rule)
    shares = [(cluster, backend.weight) for cluster, backend in found]
    if lost or not found:
        shares.append((NOWHERE, lost or 1))
    return Connections(tuple(shares), (*told, *without))


def viewers(resolved: Resolved) -> list[str]:
    """The namespaces whose clients get different routes.

    They have their own routes to the service, or may know of backends that others may not know of.
    """
    target = resolved.answering
    if target is None or not target.routes:
        return []
    found = {route.namespace for route in target.routes} - {target.name.namespace}
    specs = {spec.name: spec for spec in resolved.backends}
    for route in target.routes:
        for backend in route.backends:
            spec = specs.get(ServiceName.behind(backend))
            if spec is not None:
                passed, called, answers = passes(target, route, backend), resolved.called, resolved.answers
                found |= known_to(Visibility.of(spec), passed, called, answers) or frozenset()
    return sorted(found)


def in_force(target: ServiceSpec, port: Port, viewer: str = "") -> InForce:
    """The routes in force at a port for clients in a namespace.

    All are of one kind (GEP-1294, route types).
    """
    bound = [route for route in target.routes if route.port in (0, port.number)]
    seen = _seen_by(viewer, target, [route for route in bound if _fits(route.kind, port.protocol)])
    kind = min((route.kind for route in seen), key=_KINDS.index, default=None)
    found = tuple(route for route in seen if route.kind is kind)
    omissions = []
    for route in bound:
        if not _fits(route.kind, port.protocol):
            if _is_misfit(route, target, found):
                why = f"port {port.number} speaks {port.protocol.value}"
                omissions.append(Omission(Reason.ROUTE_CONFLICT, str(route), why))
        elif route in seen and route.kind is not kind:
            why = f"{found[0]} has port {port.number}"
            omissions.append(Omission(Reason.ROUTE_CONFLICT, str(route), why))
    return InForce(found, tuple(omissions))


def _fits(kind: RouteKind, protocol: Protocol) -> bool:
    if protocol.by_host:
        return kind.of_requests
    return kind is RouteKind.TCP or (kind is RouteKind.TLS and protocol is Protocol.TLS)


def _is_misfit(route: Route, target: ServiceSpec, in_force: Sequence[Route]) -> bool:
    """Whether to report a route that does not fit a port.

    A route for all ports is reported only if others are in force at this port, or if it fits no port at all.
    """
    fits = any(_fits(route.kind, other.protocol) for other in mesh_ports(target))
    return bool(route.port or in_force or not fits)


def _seen_by(viewer: str, target: ServiceSpec, routes: Sequence[Route]) -> list[Route]:
    own = [route for route in routes if route.namespace == viewer]
    return own or [route for route in routes if route.namespace == target.name.namespace]


def ranked(routes: Sequence[Route]) -> list[Ranked]:
    """All matches of all rules, in the order in which they are tried. `routes` are oldest first.

    A match with a condition that Envoy cannot compare comes after matches that are otherwise equal.
    """
    found = [
        Ranked((*_precedence(match), bool(match.unsupported), age, place, number), match, rule, route)
        for age, route in enumerate(routes)
        for place, rule in enumerate(route.rules)
        for number, match in enumerate(rule.matches)
    ]
    return sorted(found, key=lambda one: one.rank)


def _precedence(match: Match) -> tuple[int, int, int, int, int]:
    """The rank of a match. HTTPRoute: path, method, headers, query. GRPCRoute: service, method, headers."""
    if any(match.call):
        service, method = match.call
        return PathKind.EXACT.value, -service, -method, -len(match.headers), 0
    path = match.path
    return path.kind.value, -len(path.value), not match.method, -len(match.headers), -len(match.query)


def _answer(one: Ranked, port: Port, clusters: Clusters) -> Answer:
    unsupported = one.match.unsupported or one.rule.unsupported
    if unsupported:
        return one.unsupported(unsupported)
    redirect = one.rule.filters.redirect
    if redirect is not None:
        return Answer(one, (Redirection(redirect, port.number, tuple(clusters.hosts())),))
    return _forwarded(one, clusters)


def _forwarded(one: Ranked, clusters: Clusters) -> Answer:
    """Forward to the backends of a rule. The share of a backend without a cluster fails.

    If the rule has several backends, a client with a session stays with its backend, whatever the weights are
    (GEP-1619).
    """
    rule = one.rule
    found, lost, without = clusters.shares(one.route, rule)
    copies, uncopied = clusters.mirrored(one.route, rule)
    actions: list[Action] = []
    told = [*without]

    def forward(shares: tuple[tuple[str, Backend], ...], cookie: str = "") -> None:
        hashed = clusters.hashed(backend for _, backend in shares)
        actions.append(Forwarding(shares, copies, tuple(hashed), cookie))
        told.extend(uncopied)

    if rule.session is not None and len(rule.backends) > 1:
        for backend in rule.backends:
            cluster = clusters.of(one.route, backend, rule.subset)
            if isinstance(cluster, Omission):
                told.append(cluster)
            else:
                forward(((cluster, backend),), mark(rule.session, cluster))
        found = tuple((cluster, _marked(backend, rule.session, cluster)) for cluster, backend in found)
    if lost or not found:
        what = f"{_NO_BACKEND} for this share of its requests" if found else _NO_BACKEND
        share = (lost, lost + sum(backend.weight for _, backend in found)) if found else None
        actions.append(one.refused(what, clusters.faults(one.route, rule), share))
    if found:
        forward(found)
    return Answer(one, tuple(actions), tuple(dict.fromkeys(told)))


def _marked(backend: Backend, session: Session, cluster: str) -> Backend:
    return backend._replace(response=backend.response.then(marking(session, cluster)))


def hashes(resolved: Resolved) -> bool:
    """Whether the service that answers, or a backend of its routes, balances by a hash."""
    return any(spec is not None and spec.policy.hash_on for spec in (resolved.answering, *resolved.backends))
