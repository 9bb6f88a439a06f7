"""Encodes the decisions about requests as Envoy's routes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pilothouse._pb.envoy.config.route.v3.route_components_pb2 import Route as EnvoyRoute
from pilothouse.encoding import rules
from pilothouse.mesh.claims import Resolved
from pilothouse.model.reasons import Omission
from pilothouse.model.routing import Match, Rule
from pilothouse.model.services import Port
from pilothouse.translate.hashing import hash_by
from pilothouse.translate.routes.actions import forward, redirects, refuse, split
from pilothouse.translate.routes.cors import preflight
from pilothouse.translate.routes.matches import matched, only_a_share
from pilothouse.translate.routes.traffic import Action, Answer, Forwarding, Redirection, Refusal, requests_at

_NOT_FOUND = 404


def request_routes(resolved: Resolved, port: Port, viewer: str = "") -> list[EnvoyRoute] | None:
    """The routes of an HTTP port. None if its requests go to its own endpoints."""
    found = requests_at(resolved, port, viewer)
    if not found.in_force.routes:
        return None
    answered = [route for answer in found.answers for route in encoded(answer).routes]
    unmatched = f"no rule of the routes of {resolved.spec.name} matches this request"
    return [*answered, refuse(Match(), _NOT_FOUND, unmatched)]


class Encoded(NamedTuple):
    """The routes of an answer, and what is left out because Envoy would refuse it."""

    routes: list[EnvoyRoute]
    omissions: tuple[Omission, ...] = ()


def encoded(answer: Answer) -> Encoded:
    """The routes of an answer. If one breaks a validation rule, a refusal takes its place.

    Otherwise Envoy would refuse all routes. This is decided here because only a message can be validated.
    """
    try:
        return Encoded(_checked(answer))
    except ValueError as violation:  # it breaks a rule, or a value fits into no message
        refused = answer.one.unsupported(str(violation))
    try:
        return Encoded(_checked(refused), refused.omissions)
    except ValueError:  # the match itself is invalid
        return Encoded([], refused.omissions)


def _checked(answer: Answer) -> list[EnvoyRoute]:
    match, rule = answer.one.match, answer.one.rule
    found = [route for action in answer.actions for route in _routes(action, match, rule)]
    for route in found:
        rules.check(route)
    return found


def _routes(action: Action, match: Match, rule: Rule) -> Iterator[EnvoyRoute]:
    if isinstance(action, Refusal):
        route = refuse(match, action.status, action.why)
        if action.share is not None:
            only_a_share(route, *action.share)
        yield route
    elif isinstance(action, Redirection):
        for route in redirects(match, rule, action.said, action.port, action.hosts):
            yield from split(route, match, action.said.path)
    else:
        for route in _forwarded(action, match, rule):
            if action.cookie:
                route.match.headers.add(name="cookie").string_match.contains = action.cookie
            yield route


def _forwarded(to: Forwarding, match: Match, rule: Rule) -> Iterator[EnvoyRoute]:
    route = forward(match, rule, to.shares, to.copies)
    for hash_on in to.hashed:
        hash_by(route, hash_on)
    yield from split(route, match, rule.filters.path)
    asked = preflight(match, rule.filters.cors)
    if asked is not None:
        route.match.CopyFrom(matched(asked))
        yield route
