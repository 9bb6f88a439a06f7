"""What the translation has decided about each route of a service. Nothing is decided here.

A finding is read from the decisions that requests and connections are translated from, for the clients in the
namespace of the route.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pilothouse.mesh.claims import Resolved
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.routing import Backend, Route, RouteKind
from pilothouse.model.services import Port, ServiceSpec
from pilothouse.translate.names import mesh_ports
from pilothouse.translate.routes.answers import encoded
from pilothouse.translate.routes.backends import Clusters
from pilothouse.translate.routes.traffic import Answer, connections_at, in_force, requests_at


class Attached(NamedTuple):
    """A route at a port of a service, or at all of them (0)."""

    kind: RouteKind
    namespace: str
    name: str
    port: int


class Lost(NamedTuple):
    """A backend that cannot be called, and why not. `no_service`: it is of another kind."""

    backend: Backend
    omission: Omission

    @property
    def no_service(self) -> bool:
        # A port is read of Services only, and each has one.
        return not self.backend.port


@dataclass(slots=True)
class Finding:
    """Of one attachment.

    `in_force`: at some port its rules decide. `conflicts` say at which others why not. `dropped` are the
    rules, by number, of which something is not done as it is asked for; of those in `failing`, nothing is.
    `lost` are the backends that no request reaches.
    """

    rules: int
    in_force: bool = False
    conflicts: list[str] = field(default_factory=list)
    dropped: dict[int, str] = field(default_factory=dict)
    failing: set[int] = field(default_factory=set)
    lost: list[Lost] = field(default_factory=list)


def findings(resolved: Resolved) -> Mapping[Attached, Finding]:
    """The findings of all routes of a service, in one pass over its ports."""
    target = resolved.answering
    if target is None or not resolved.own:
        return {}
    found = {_attached(route): Finding(len(route.rules)) for route in target.routes}
    for port in mesh_ports(target):
        bound = [route for route in target.routes if route.port in (0, port.number)]
        if port.protocol.by_host:
            _of_requests(resolved, port, bound, found)
        else:
            _of_connections(resolved, target, port, bound, found)
    for route in target.routes:
        _of_backends(Clusters(resolved, route.namespace), route, found[_attached(route)])
    return found


def _attached(route: Route) -> Attached:
    return Attached(route.kind, route.namespace, route.name, route.port)


def _of_requests(
    resolved: Resolved, port: Port, bound: Iterable[Route], found: Mapping[Attached, Finding]
) -> None:
    by_viewer: defaultdict[str, list[Route]] = defaultdict(list)
    for route in bound:
        by_viewer[route.namespace].append(route)
    for viewer, routes in by_viewer.items():
        decided = requests_at(resolved, port, viewer)
        deciding = {_attached(route) for route in decided.in_force.routes}
        for route in routes:
            finding = found[_attached(route)]
            if _attached(route) in deciding:
                finding.in_force = True
            else:
                finding.conflicts += _conflicts(route, decided.in_force.omissions)
        for each, answers in _by_rule(decided.answers).items():
            attached, place = each
            _of_rule(place, answers, found[attached])


def _by_rule(answers: Iterable[Answer]) -> Mapping[tuple[Attached, int], list[Answer]]:
    """By route and number of the rule: what happens to requests that one of its matches fits."""
    found: defaultdict[tuple[Attached, int], list[Answer]] = defaultdict(list)
    for answer in answers:
        found[_attached(answer.one.route), answer.one.rule_number].append(answer)
    return found


def _of_rule(place: int, answers: list[Answer], finding: Finding) -> None:
    objections = [why for answer in answers if (why := _objection(answer))]
    if objections:
        finding.dropped[place] = objections[0]
        if len(objections) == len(answers):
            finding.failing.add(place)


def _objection(answer: Answer) -> str:
    """Why requests that fit are refused, whatever backends there are."""
    one = answer.one
    unsupported = one.match.unsupported or one.rule.unsupported
    return unsupported or next((omission.why for omission in encoded(answer).omissions), "")


def _of_connections(
    resolved: Resolved,
    target: ServiceSpec,
    port: Port,
    bound: Iterable[Route],
    found: Mapping[Attached, Finding],
) -> None:
    told = connections_at(resolved, port).omissions
    for route in in_force(target, port).routes[:1]:
        finding = found[_attached(route)]
        finding.in_force = True
        if route.rules and route.rules[0].unsupported:
            finding.dropped[0] = route.rules[0].unsupported
            finding.failing.add(0)
    for route in bound:
        found[_attached(route)].conflicts += _conflicts(route, told)


def _conflicts(route: Route, omissions: Iterable[Omission]) -> Iterator[str]:
    for omission in omissions:
        if omission.reason is Reason.ROUTE_CONFLICT and omission.what == str(route):
            yield omission.why


def _of_backends(clusters: Clusters, route: Route, finding: Finding) -> None:
    for place, rule in enumerate(route.rules):
        mirrored = (mirror.backend for mirror in rule.filters.mirrors)
        for backend in (*rule.backends, *mirrored):
            cluster = clusters.of(route, backend, rule.subset)
            if not isinstance(cluster, Omission):
                continue
            lost = Lost(backend, cluster)
            if cluster.reason is Reason.UNSUPPORTED_RULE and not lost.no_service:
                finding.dropped.setdefault(place, f"backend {backend}: {cluster.why}")
            else:
                finding.lost.append(lost)
