"""Backends and what is done to the headers of the requests to them."""

from __future__ import annotations

import re

from pilothouse.kubernetes.fields import FieldError, Fields
from pilothouse.routing import AS_IT_IS, Backend, HeaderChange

GROUP = "gateway.networking.k8s.io"
MAX_WEIGHT = 1_000_000
_HEADER = re.compile(r"[a-z0-9!#$%&'*+.^_`|~:-]{1,256}")  # a token (RFC 9110, 5.6.2)


class Unsupported(Exception):
    """Something that a rule asks for and that is not to be had; the text says what."""


def backends(item: Fields, namespace: str) -> tuple[Backend, ...]:
    """`backendRefs`. Raises Unsupported for what is no Service, FieldError for what makes no sense."""
    return tuple(backend(ref, namespace) for ref in item.each("backendRefs"))


def backend(ref: Fields, namespace: str) -> Backend:
    kind, group = ref.text("kind", "Service"), ref.text("group")
    name, port = ref.required("name"), ref.integer("port")
    if kind != "Service" or group not in ("", "core"):
        raise Unsupported(f"a backend of kind {kind}")
    if port is None:
        raise ref.error("port", "is required for a Service")
    if not 1 <= port <= 65_535:
        raise ref.error("port", f"{port} is not in 1..65535")
    weight = ref.integer("weight")
    if weight is not None and not 0 <= weight <= MAX_WEIGHT:
        raise ref.error("weight", f"{weight} is not in 0..{MAX_WEIGHT}")
    request, response = _changes(ref)
    where = ref.text("namespace") or namespace
    return Backend(where, name, port, 1 if weight is None else weight, where == namespace, request, response)


def header_change(item: Fields) -> HeaderChange:
    """A HTTPHeaderFilter; names in lower case, and of equal ones the first.

    Raises Unsupported for what is no plain header: Envoy would refuse all routes for it.
    """
    removed = tuple(name.lower() for name in item.texts("remove"))
    change = HeaderChange(_pairs(item, "set"), _pairs(item, "add"), removed)
    for name in (*removed, *(name for name, _ in (*change.set, *change.add))):
        if name == "host" or name.startswith(":"):
            raise Unsupported(f"a change of the header {name}")
        if not _HEADER.fullmatch(name):
            raise FieldError(item.path, f'"{name}" is no name of a header')
    return change


def _changes(ref: Fields) -> tuple[HeaderChange, HeaderChange]:
    request = response = AS_IT_IS
    for item in ref.each("filters"):
        kind = item.required("type")
        if kind == "RequestHeaderModifier":
            request = header_change(item.at("requestHeaderModifier"))
        elif kind == "ResponseHeaderModifier":
            response = header_change(item.at("responseHeaderModifier"))
        else:
            raise Unsupported(f"the filter {kind} of a backend")
    return request, response


def _pairs(item: Fields, key: str) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for pair in item.each(key):
        found.setdefault(pair.required("name").lower(), pair.text("value"))
    return tuple(found.items())
