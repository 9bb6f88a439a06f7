"""What becomes of the requests and connections of a port, decided in plain values.

Rules are tried in the order of precedence that the Gateway API gives them. What is left out has its reason.

What cannot be reached is answered and not passed over: 404 if no rule matches, 500 (gRPC: UNAVAILABLE) for
what a rule asks for in vain, be it a share of its requests (decision 0013). The body says why.
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
#: There is no cluster of this name, so Envoy closes connections to it.
NOWHERE = "refused"
#: The first of these that there is at a port is in force there.
_KINDS = (RouteKind.GRPC, RouteKind.HTTP, RouteKind.TLS, RouteKind.TCP)


class Refusal(NamedTuple):
    """An answer without asking anybody; with a `share` to so many of as many requests only."""

    status: int
    why: str
    share: tuple[int, int] | None = None


class Redirection(NamedTuple):
    """Ask elsewhere, of a service that is asked for by these hosts at a port of this number."""

    said: Redirect
    port: int
    hosts: tuple[str, ...]


class Forwarding(NamedTuple):
    """To clusters by weight, with copies to others, so many in a million requests.

    With a `cookie` it is for requests that have one of this content.
    """

    shares: tuple[tuple[str, Backend], ...]
    copies: tuple[tuple[str, int], ...]
    hashed: tuple[HashOn, ...]
    cookie: str = ""


Action: TypeAlias = Refusal | Redirection | Forwarding


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

    def refused(self, what: str, reasons: Sequence[str], share: tuple[int, int] | None = None) -> Refusal:
        """The answer to what is asked for in vain."""
        why = f": {', '.join(reasons)}" if reasons else ""
        return Refusal(self.failure, f"{self.route} {what}{why}", share)

    def unsupported(self, why: str) -> Answer:
        """The answer to what asks for something that Envoy cannot do."""
        return Answer(self, (self.refused(_IN_VAIN, [why]),), (Omission(Reason.UNSUPPORTED_RULE, why),))


class Answer(NamedTuple):
    """What becomes of requests that match: the first of the actions that is for a request counts."""

    one: Ranked
    actions: tuple[Action, ...]
    omissions: tuple[Omission, ...] = ()


class InForce(NamedTuple):
    """The routes that clients follow at a port, in order of age, and why they do not follow others."""

    routes: tuple[Route, ...]
    omissions: tuple[Omission, ...] = ()


class Requests(NamedTuple):
    """What becomes of the requests of a port, the answer to be tried first at the head.

    Without routes in force they go to its own endpoints.
    """

    in_force: InForce
    answers: tuple[Answer, ...] = ()


class Connections(NamedTuple):
    """The clusters of a port without HTTP, and the weight of each; what has no cluster goes NOWHERE."""

    shares: tuple[tuple[str, int], ...]
    omissions: tuple[Omission, ...] = ()


def requests_at(resolved: Resolved, port: Port, viewer: str = "") -> Requests:
    """What becomes of requests at a port that speaks HTTP.

    `viewer` is the namespace of the clients. Their own routes to this service take the place of the
    service's, if one is for this port (GAMMA).
    """
    target = resolved.answering
    if target is None:
        return Requests(InForce(()))
    found = in_force(target, port, viewer)
    clusters = Clusters(resolved, viewer)
    return Requests(found, tuple(_answer(one, port, clusters) for one in ranked(found.routes)))


def connections_at(resolved: Resolved, port: Port) -> Connections:
    """What becomes of connections at a port that does not speak HTTP."""
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
                passed, called, answers = passes(target, route, backend), resolved.called, resolved.answers
                found |= known_to(Visibility.of(spec), passed, called, answers) or frozenset()
    return sorted(found)


def in_force(target: ServiceSpec, port: Port, viewer: str = "") -> InForce:
    """The routes that clients in a namespace follow at a port; all of one kind (GEP-1294, route types)."""
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
    """A route for all ports is none too many at one, unless another has that or none is left for it."""
    fits = any(_fits(route.kind, other.protocol) for other in mesh_ports(target))
    return bool(route.port or in_force or not fits)


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


def _answer(one: Ranked, port: Port, clusters: Clusters) -> Answer:
    unsupported = one.match.unsupported or one.rule.unsupported
    if unsupported:
        return one.unsupported(unsupported)
    redirect = one.rule.filters.redirect
    if redirect is not None:
        return Answer(one, (Redirection(redirect, port.number, tuple(clusters.hosts())),))
    return _forwarded(one, clusters)


def _forwarded(one: Ranked, clusters: Clusters) -> Answer:
    """To the backends of a rule; what is for those that have no cluster fails.

    Who has a session with one of several backends goes there, whatever its weight (GEP-1619).
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
    """Whether anything that a service's connections go to is chosen by a hash."""
    return any(spec is not None and spec.policy.hash_on for spec in (resolved.answering, *resolved.backends))
