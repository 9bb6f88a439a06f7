"""Filters of a rule: what it does to requests apart from choosing a backend."""

from __future__ import annotations

from pilothouse.kubernetes.annotations.overrides import Warn
from pilothouse.kubernetes.fields import Fields
from pilothouse.kubernetes.gateway.backends import backend, header_change
from pilothouse.kubernetes.gateway.cors import cors
from pilothouse.kubernetes.gateway.limits import host, path, unsupported
from pilothouse.model.routing import Filters, Mirror, PathChange, Redirect

# The field that holds the settings of each filter.
_FILTERS = {
    "RequestHeaderModifier": "requestHeaderModifier",
    "ResponseHeaderModifier": "responseHeaderModifier",
    "RequestRedirect": "requestRedirect",
    "URLRewrite": "urlRewrite",
    "RequestMirror": "requestMirror",
    "CORS": "cors",
}
_STATUSES = (301, 302, 303, 307, 308)
_MILLION = 1_000_000


def filters(item: Fields, namespace: str, warn: Warn) -> Filters:
    """Read the `filters` of a rule. Raises Unsupported if one of them is not supported."""
    found = Filters()
    for each in item.each("filters"):
        kind = each.required("type")
        field = _FILTERS.get(kind)
        if field is None:
            raise unsupported(each, "type", f"the filter {kind} is not supported")
        if field not in each:
            raise each.error(field, f"is required for {kind}")
        found = _with_filter(found, kind, each.at(field), namespace, warn)
    if found.cors is not None and found.redirect is not None:
        raise unsupported(item, "filters", "Envoy does not support CORS for a redirect")
    return found


def _with_filter(found: Filters, kind: str, inner: Fields, namespace: str, warn: Warn) -> Filters:
    match kind:
        case "RequestHeaderModifier":
            return found._replace(request=header_change(inner))
        case "ResponseHeaderModifier":
            return found._replace(response=header_change(inner))
        case "RequestRedirect":
            return found._replace(redirect=_redirect(inner))
        case "URLRewrite":
            return found._replace(host=host(inner, "hostname"), path=_path_change(inner))
        case "CORS":
            return found._replace(cors=cors(inner))
        case _:
            return found._replace(mirrors=(*found.mirrors, _mirror(inner, namespace, warn)))


def _redirect(item: Fields) -> Redirect:
    status = item.integer("statusCode") or 302
    if status not in _STATUSES:
        raise item.error("statusCode", f"{status} is not one of {', '.join(map(str, _STATUSES))}")
    scheme = item.text("scheme")
    if scheme not in ("", "http", "https"):
        raise item.error("scheme", f'"{scheme}" is neither http nor https')
    port = item.integer("port")
    if port is not None and not 1 <= port <= 65_535:
        raise item.error("port", f"{port} is not in 1..65535")
    return Redirect(status, scheme, host(item, "hostname"), port or 0, _path_change(item))


def _path_change(item: Fields) -> PathChange | None:
    change = item.at("path")
    kind = change.text("type")
    if not kind:
        return None
    if kind == "ReplaceFullPath":
        return PathChange(path(change, "replaceFullPath") or "/", whole=True)
    if kind == "ReplacePrefixMatch":
        return PathChange(path(change, "replacePrefixMatch") or "/", whole=False)
    raise change.error("type", f'"{kind}" is neither ReplaceFullPath nor ReplacePrefixMatch')


def _mirror(item: Fields, namespace: str, warn: Warn) -> Mirror:
    to = backend(item.at("backendRef"), namespace, warn)
    percent = item.integer("percent")
    if percent is not None:
        return Mirror(to, _share(item, "percent", percent, 100))
    fraction = item.at("fraction")
    numerator, denominator = fraction.integer("numerator"), fraction.integer("denominator")
    if numerator is None:
        return Mirror(to)
    if denominator is not None and denominator < 1:
        raise fraction.error("denominator", f"{denominator} is less than 1")
    return Mirror(to, _share(fraction, "numerator", numerator, denominator or 100))


def _share(item: Fields, key: str, part: int, whole: int) -> int:
    if not 0 <= part <= whole:
        raise item.error(key, f"{part} is not in 0..{whole}")
    return part * _MILLION // whole
