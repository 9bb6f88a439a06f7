"""Rules of a GRPCRoute: a method is a path, `/service/method`, so these are rules of HTTP."""

from __future__ import annotations

import re

from pilothouse.kubernetes.fields import Fields
from pilothouse.kubernetes.gateway.backends import Unsupported, backends
from pilothouse.kubernetes.gateway.http import filters, headers
from pilothouse.kubernetes.gateway.regex import is_regex, taken
from pilothouse.routing import Match, Path, PathKind, Rule

_ANY = "[^/]+"


def grpc_rule(item: Fields, namespace: str) -> Rule:
    """Read a rule. Raises FieldError where the API server would refuse it."""
    matches = tuple(map(_match, item.each("matches")))
    try:
        return Rule(matches or (Match(),), backends(item, namespace), filters(item, namespace))
    except Unsupported as unsupported:
        return Rule(matches or (Match(),), unsupported=str(unsupported))


def _match(item: Fields) -> Match:
    method = item.at("method")
    call = len(method.text("service")), len(method.text("method"))
    return Match(_path(method), headers=headers(item), call=call)


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
