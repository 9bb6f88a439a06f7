"""Rules of a GRPCRoute. A method is the path `/service/method`, so they become rules of HTTP."""

from __future__ import annotations

import re

from pilothouse.kubernetes.annotations.overrides import Warn
from pilothouse.kubernetes.fields import Fields
from pilothouse.kubernetes.gateway.http_routes import headers, request_rule
from pilothouse.kubernetes.gateway.limits import Attempt
from pilothouse.kubernetes.gateway.regex import is_regex, taken
from pilothouse.model.routing import Match, Path, PathKind, Rule

_ANY = "[^/]+"


def grpc_rule(item: Fields, namespace: str, session_name: str, warn: Warn) -> Rule:
    """Read a rule. Raises FieldError if the API server would refuse it."""
    matches = tuple(_match(each, warn) for each in item.each("matches"))
    return request_rule(item, matches, namespace, session_name, warn)


def _match(item: Fields, warn: Warn) -> Match:
    attempt, method = Attempt(warn), item.at("method")
    path = attempt(None, _path, method)
    call = (len(method.text("service")), len(method.text("method"))) if path else (0, 0)
    return Match(path or Path(), headers=headers(item, attempt), call=call, unsupported=attempt.why)


def _path(method: Fields) -> Path:
    by_regex, service, name = is_regex(method), method.text("service"), method.text("method")
    if not service and not name:
        return Path()
    key = "method" if name else "service"
    if by_regex:
        return Path(PathKind.REGEX, taken(f"/{service or _ANY}/{name or _ANY}", method, key))
    if service and name:
        return Path(PathKind.EXACT, f"/{service}/{name}")
    if service:
        return Path(PathKind.PREFIX, f"/{service}/")
    return Path(PathKind.REGEX, taken(f"/{_ANY}/{re.escape(name)}", method, key))
