"""Backends of a rule, and the changes to the headers of requests to them."""

from __future__ import annotations

from pilothouse.kubernetes.annotations.overrides import Warn
from pilothouse.kubernetes.fields import Fields
from pilothouse.kubernetes.gateway.limits import Attempt, header_name, header_value, unsupported
from pilothouse.model.routing import AS_IT_IS, Backend, HeaderChange

GROUP = "gateway.networking.k8s.io"
#: The group of the MCS API.
MULTICLUSTER = "multicluster.x-k8s.io"
MAX_WEIGHT = 1_000_000
_MOST_TOGETHER = 2**32 - 1


def backends(item: Fields, namespace: str, warn: Warn) -> tuple[Backend, ...]:
    """Read `backendRefs`. Raises FieldError for an invalid value, Unsupported if the sum of weights is too
    large.
    """
    found = tuple(backend(ref, namespace, warn) for ref in item.each("backendRefs"))
    if sum(each.weight for each in found) > _MOST_TOGETHER:
        raise unsupported(item, "backendRefs", f"have weights whose sum exceeds {_MOST_TOGETHER}")
    return found


def backend(ref: Fields, namespace: str, warn: Warn) -> Backend:
    """Read a backend of a rule or a mirror. If it is not supported, warn, and set its `unsupported`."""
    name, where = ref.required("name"), ref.text("namespace") or namespace
    attempt = Attempt(warn)
    port = attempt(0, _port, ref)
    weight = ref.integer("weight")
    if weight is not None and not 0 <= weight <= MAX_WEIGHT:
        raise ref.error("weight", f"{weight} is not in 0..{MAX_WEIGHT}")
    request, response = attempt((AS_IT_IS, AS_IT_IS), _changes, ref)
    share = 1 if weight is None else weight
    imported = is_import(ref.text("kind"), ref.text("group"))
    return Backend(where, name, port, share, False, request, response, attempt.why, imported)


def is_import(kind: str, group: str) -> bool:
    """Whether a reference is to a ServiceImport (GEP-1748)."""
    return (kind, group) == ("ServiceImport", MULTICLUSTER)


def header_change(item: Fields) -> HeaderChange:
    """Read an HTTPHeaderFilter. Names are in lower case; the first of equal names wins."""
    removed = (header_name(item, "remove", name) for name in item.texts("remove"))
    return HeaderChange(_pairs(item, "set"), _pairs(item, "add"), tuple(dict.fromkeys(removed)))


def _port(ref: Fields) -> int:
    kind, group, port = ref.text("kind", "Service"), ref.text("group"), ref.integer("port")
    if not is_import(kind, group) and (kind != "Service" or group not in ("", "core")):
        raise unsupported(ref, "kind", f"a backend cannot be a {kind}{group and f' of {group}'}")
    if port is None:
        raise ref.error("port", f"is required for a {kind}")
    if not 1 <= port <= 65_535:
        raise ref.error("port", f"{port} is not in 1..65535")
    return port


def _changes(ref: Fields) -> tuple[HeaderChange, HeaderChange]:
    request = response = AS_IT_IS
    for item in ref.each("filters"):
        kind = item.required("type")
        if kind == "RequestHeaderModifier":
            request = header_change(item.at("requestHeaderModifier"))
        elif kind == "ResponseHeaderModifier":
            response = header_change(item.at("responseHeaderModifier"))
        else:
            raise unsupported(item, "type", f"a backend cannot have the filter {kind}")
    return request, response


def _pairs(item: Fields, key: str) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for pair in item.each(key):
        name = header_name(pair, "name", pair.required("name"))
        found.setdefault(name, header_value(pair, "value"))
    return tuple(found.items())
