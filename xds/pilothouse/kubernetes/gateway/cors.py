"""The CORS filter of an HTTPRoute (GEP-1767)."""

from __future__ import annotations

import re

from pilothouse.kubernetes.fields import Fields
from pilothouse.kubernetes.gateway.limits import token, unsupported
from pilothouse.kubernetes.gateway.regex import taken
from pilothouse.model.routing import Cors, Origin

_ORIGIN = re.compile(r"https?://(\*|(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)(:[0-9]{1,5})?")
_METHOD = re.compile(r"[A-Z]{1,16}")
_MOST_SECONDS = 2**31 - 1


def cors(item: Fields) -> Cors:
    """Read the filter. Raises Unsupported if no browser sends such a value, FieldError if it is invalid."""
    max_age = item.integer("maxAge")
    if max_age is not None and not 1 <= max_age <= _MOST_SECONDS:
        raise item.error("maxAge", f"{max_age} is not in 1..{_MOST_SECONDS}")
    origins = tuple(_origin(item, text) for text in item.texts("allowOrigins"))
    return Cors(
        origins or Cors().origins,
        tuple(_method(item, text) for text in item.texts("allowMethods")),
        _names(item, "allowHeaders"),
        _names(item, "exposeHeaders"),
        item.flag("allowCredentials") or False,
        5 if max_age is None else max_age,
    )


def _origin(item: Fields, text: str) -> Origin:
    """An origin as browsers send it: in lower case, without the default port of its scheme."""
    if text != "*" and not _ORIGIN.fullmatch(text):
        raise unsupported(
            item, "allowOrigins", f"{text[:60]!r} is not an origin such as https://www.example.com"
        )
    usual = ":443" if text.startswith("https") else ":80"
    value = text.lower().removesuffix(usual)
    if "*" not in value:
        return Origin(value)
    return Origin(taken(re.escape(value).replace(r"\*", ".*"), item, "allowOrigins"), regex=True)


def _method(item: Fields, text: str) -> str:
    if text != "*" and not _METHOD.fullmatch(text):
        raise unsupported(item, "allowMethods", f"{text[:60]!r} is not a method such as PUT")
    return text


def _names(item: Fields, key: str) -> tuple[str, ...]:
    return tuple(token(item, key, name) for name in item.texts(key))
