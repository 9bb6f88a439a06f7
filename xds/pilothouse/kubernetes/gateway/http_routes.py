"""Rules of an HTTPRoute, and the parts that rules of a GRPCRoute share with them."""

from __future__ import annotations

from dataclasses import replace

from pilothouse.kubernetes.annotations.overrides import Warn
from pilothouse.kubernetes.fields import Fields
from pilothouse.kubernetes.gateway.backends import backends
from pilothouse.kubernetes.gateway.filters import filters
from pilothouse.kubernetes.gateway.limits import Attempt, token, unsupported
from pilothouse.kubernetes.gateway.regex import is_regex, regex
from pilothouse.kubernetes.gateway.sessions import session
from pilothouse.kubernetes.gateway.timeouts import duration_ms, retry
from pilothouse.model.routing import NO_FILTERS, Field, Match, Path, PathKind, Rule

_PATHS = {"Exact": PathKind.EXACT, "PathPrefix": PathKind.PREFIX, "RegularExpression": PathKind.REGEX}
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
_MOST_BYTES = 1_024


def http_rule(item: Fields, namespace: str, session_name: str, warn: Warn) -> Rule:
    """Read a rule. Raises FieldError if the API server would refuse it."""
    matches = tuple(_match(each, warn) for each in item.each("matches"))
    found = request_rule(item, matches, namespace, session_name, warn)
    attempt, timeouts = Attempt(warn), item.at("timeouts")
    request_ms, attempt_ms = duration_ms(timeouts, "request"), duration_ms(timeouts, "backendRequest")
    retries = attempt(None, retry, item)
    if found.unsupported or attempt.why:
        return Rule(found.matches, unsupported=found.unsupported or attempt.why)
    return replace(found, timeout_ms=request_ms, attempt_timeout_ms=attempt_ms, retry=retries)


def request_rule(
    item: Fields, matches: tuple[Match, ...], namespace: str, session_name: str, warn: Warn
) -> Rule:
    """The parts that rules of HTTPRoutes and GRPCRoutes share. They may make the rule `unsupported`."""
    attempt, matches = Attempt(warn), matches or (Match(),)
    to = attempt((), backends, item, namespace, warn)
    done = attempt(NO_FILTERS, filters, item, namespace, warn)
    kept = attempt(None, session, item, session_name)
    if attempt.why:
        return Rule(matches, unsupported=attempt.why)
    return Rule(matches, to, done, session=kept)


def headers(item: Fields, attempt: Attempt) -> tuple[Field, ...]:
    """Read header matches. The first of equal names wins, in any case."""
    found: dict[str, Field] = {}
    for each in item.each("headers"):
        field = attempt(None, _header, each, each.required("name"))
        if field is not None:
            found.setdefault(field.name, field)
    return tuple(found.values())


def _match(item: Fields, warn: Warn) -> Match:
    attempt = Attempt(warn)
    method = item.text("method")
    if method and method not in _METHODS:
        raise item.error("method", f'"{method}" is not one of {", ".join(_METHODS)}')
    path = attempt(Path(), _path, item.at("path"))
    match = Match(path, method, headers(item, attempt), _query(item, attempt))
    return match._replace(unsupported=attempt.why)


def _path(path: Fields) -> Path:
    kind, value = path.text("type", "PathPrefix"), path.text("value", "/")
    if kind not in _PATHS:
        raise path.error("type", f'"{kind}" is not one of {", ".join(_PATHS)}')
    if kind == "RegularExpression":
        value = regex(path, "value")
    elif "?" in value or "#" in value:
        raise path.error("value", f'"{value}" has a query or a fragment in it')
    elif not value.startswith("/"):
        raise path.error("value", f'"{value}" does not start with /')
    return Path(_PATHS[kind], value)


def _query(item: Fields, attempt: Attempt) -> tuple[Field, ...]:
    found: dict[str, Field] = {}
    for each in item.each("queryParams"):
        field = attempt(None, _parameter, each, each.required("name"))
        if field is not None:
            found.setdefault(field.name, field)
    return tuple(found.values())


def _header(item: Fields, name: str) -> Field:
    return _field(item, token(item, "name", name))


def _parameter(item: Fields, name: str) -> Field:
    if len(name.encode()) > _MOST_BYTES:
        raise unsupported(item, "name", f"has more than {_MOST_BYTES} bytes")
    return _field(item, name)


def _field(item: Fields, name: str) -> Field:
    if is_regex(item):
        return Field(name, regex(item, "value"), regex=True)
    return Field(name, item.text("value"))
