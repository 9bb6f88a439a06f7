"""`sessionPersistence` of a rule (GEP-1619): a client comes back to the endpoint that served it first."""

from __future__ import annotations

import re

from pilothouse.kubernetes.fields import Fields
from pilothouse.kubernetes.gateway.limits import token, unsupported
from pilothouse.kubernetes.gateway.timeouts import duration_ms
from pilothouse.model.routing import Session

# A token (RFC 6265, 4.1.1). It is case-sensitive.
_COOKIE = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_TYPES = ("Cookie", "Header")
_LIFETIMES = ("Session", "Permanent")


def session(item: Fields, default_name: str) -> Session | None:
    """Read the session of a rule. Raises Unsupported if Envoy cannot do it, FieldError if it is invalid."""
    if "sessionPersistence" not in item:
        return None
    said = item.at("sessionPersistence")
    kind, lifetime = said.text("type", "Cookie"), said.at("cookieConfig").text("lifetimeType", "Session")
    if kind not in _TYPES:
        raise said.error("type", f'"{kind}" is neither Cookie nor Header')
    if lifetime not in _LIFETIMES:
        raise said.error("cookieConfig", f'lifetimeType "{lifetime}" is neither Session nor Permanent')
    if kind == "Header" and len([*item.each("backendRefs")]) > 1:
        raise unsupported(said, "type", "a header cannot tell to which of several backends a session belongs")
    absolute_ms = duration_ms(said, "absoluteTimeout") or 0
    if lifetime == "Permanent" and not absolute_ms:
        raise said.error("absoluteTimeout", "is required for a permanent cookie")
    by_header = kind == "Header"
    for key in ("idleTimeout", *(("absoluteTimeout",) if by_header else ())):
        if duration_ms(said, key):
            raise unsupported(said, key, f"Envoy has no such limit for a {kind.lower()}")
    # Envoy counts in seconds and treats 0 as no limit, so round up.
    return Session(_name(said, default_name, by_header), by_header, -(-absolute_ms // 1_000))


def _name(said: Fields, default_name: str, by_header: bool) -> str:
    name = said.text("sessionName") or default_name
    if by_header:
        return token(said, "sessionName", name)
    if not _COOKIE.fullmatch(name):
        raise unsupported(said, "sessionName", f"{name[:60]!r} is not the name of a cookie")
    return name
