"""Rules of an HTTPRoute."""

from __future__ import annotations

from pilothouse.kubernetes.durations import milliseconds
from pilothouse.kubernetes.fields import Fields
from pilothouse.kubernetes.gateway.backends import Unsupported, backend, backends, header_change
from pilothouse.kubernetes.gateway.regex import is_regex, regex
from pilothouse.routing import (
    Field,
    Filters,
    Match,
    Mirror,
    Path,
    PathChange,
    PathKind,
    Redirect,
    Retry,
    Rule,
)

_PATHS = {"Exact": PathKind.EXACT, "PathPrefix": PathKind.PREFIX, "RegularExpression": PathKind.REGEX}
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
# The field in which each filter says more.
_FILTERS = {
    "RequestHeaderModifier": "requestHeaderModifier",
    "ResponseHeaderModifier": "responseHeaderModifier",
    "RequestRedirect": "requestRedirect",
    "URLRewrite": "urlRewrite",
    "RequestMirror": "requestMirror",
}
_STATUSES = (301, 302, 303, 307, 308)
_MILLION = 1_000_000
_MOST_ATTEMPTS = 1_000


def http_rule(item: Fields, namespace: str) -> Rule:
    """Read a rule. Raises FieldError where the API server would refuse it."""
    matches = tuple(_match(each) for each in item.each("matches")) or (Match(),)
    try:
        request = item.at("timeouts")
        return Rule(
            matches,
            backends(item, namespace),
            filters(item, namespace),
            duration_ms(request, "request"),
            duration_ms(request, "backendRequest"),
            _retry(item),
        )
    except Unsupported as unsupported:
        return Rule(matches, unsupported=str(unsupported))


def filters(item: Fields, namespace: str) -> Filters:
    """`filters` of a rule. Raises Unsupported for one that is not to be had."""
    found = Filters()
    for each in item.each("filters"):
        kind = each.required("type")
        field = _FILTERS.get(kind)
        if field is None:
            raise Unsupported(f"the filter {kind}")
        if field not in each:
            raise each.error(field, f"is required for {kind}")
        found = _with_filter(found, kind, each.at(field), namespace)
    return found


def _with_filter(found: Filters, kind: str, inner: Fields, namespace: str) -> Filters:
    match kind:
        case "RequestHeaderModifier":
            return found._replace(request=header_change(inner))
        case "ResponseHeaderModifier":
            return found._replace(response=header_change(inner))
        case "RequestRedirect":
            return found._replace(redirect=_redirect(inner))
        case "URLRewrite":
            return found._replace(host=inner.text("hostname"), path=_path_change(inner))
        case _:
            return found._replace(mirrors=(*found.mirrors, _mirror(inner, namespace)))


def headers(item: Fields) -> tuple[Field, ...]:
    """Header matches; of equal names the first counts, whatever the case."""
    found: dict[str, Field] = {}
    for each in item.each("headers"):
        name = each.required("name").lower()
        found.setdefault(name, _field(each, name))
    return tuple(found.values())


def duration_ms(item: Fields, key: str) -> int | None:
    """A duration; None if there is none."""
    text = item.text(key)
    if not text:
        return None
    found = milliseconds(text)
    if found is None:
        raise item.error(key, f'"{text}" is not a duration such as 500ms or 1m30s')
    return found


def _match(item: Fields) -> Match:
    path = item.at("path")
    kind, value = path.text("type", "PathPrefix"), path.text("value", "/")
    if kind not in _PATHS:
        raise path.error("type", f'"{kind}" is none of {", ".join(_PATHS)}')
    if kind == "RegularExpression":
        value = regex(path, "value")
    elif "?" in value or "#" in value:
        raise path.error("value", f'"{value}" has a query or a fragment in it')
    elif not value.startswith("/"):
        raise path.error("value", f'"{value}" does not start with /')
    method = item.text("method")
    if method and method not in _METHODS:
        raise item.error("method", f'"{method}" is none of {", ".join(_METHODS)}')
    query: dict[str, Field] = {}
    for each in item.each("queryParams"):
        name = each.required("name")
        query.setdefault(name, _field(each, name))
    return Match(Path(_PATHS[kind], value), method, headers(item), tuple(query.values()))


def _field(item: Fields, name: str) -> Field:
    if is_regex(item):
        return Field(name, regex(item, "value"), regex=True)
    return Field(name, item.text("value"))


def _redirect(item: Fields) -> Redirect:
    status = item.integer("statusCode") or 302
    if status not in _STATUSES:
        raise item.error("statusCode", f"{status} is none of {', '.join(map(str, _STATUSES))}")
    scheme = item.text("scheme")
    if scheme not in ("", "http", "https"):
        raise item.error("scheme", f'"{scheme}" is neither http nor https')
    return Redirect(status, scheme, item.text("hostname"), item.integer("port") or 0, _path_change(item))


def _path_change(item: Fields) -> PathChange | None:
    path = item.at("path")
    kind = path.text("type")
    if not kind:
        return None
    if kind == "ReplaceFullPath":
        return PathChange(path.text("replaceFullPath", "/"), whole=True)
    if kind == "ReplacePrefixMatch":
        return PathChange(path.text("replacePrefixMatch", "/"), whole=False)
    raise path.error("type", f'"{kind}" is neither ReplaceFullPath nor ReplacePrefixMatch')


def _mirror(item: Fields, namespace: str) -> Mirror:
    to = backend(item.at("backendRef"), namespace)
    percent = item.integer("percent")
    if percent is not None:
        return Mirror(to, _share(item, "percent", percent, 100))
    fraction = item.at("fraction")
    numerator = fraction.integer("numerator")
    if numerator is None:
        return Mirror(to)
    return Mirror(to, _share(fraction, "numerator", numerator, fraction.integer("denominator") or 100))


def _share(item: Fields, key: str, part: int, whole: int) -> int:
    if not 0 <= part <= whole:
        raise item.error(key, f"{part} is not in 0..{whole}")
    return part * _MILLION // whole


def _retry(item: Fields) -> Retry | None:
    if "retry" not in item:
        return None
    retry = item.at("retry")
    codes = retry.anything("codes") or []
    if not isinstance(codes, list) or not all(isinstance(code, int) and 400 <= code <= 599 for code in codes):
        raise retry.error("codes", "is not a list of status codes in 400..599")
    attempts = retry.integer("attempts")
    if attempts is not None and not 0 <= attempts <= _MOST_ATTEMPTS:
        raise retry.error("attempts", f"{attempts} is not in 0..{_MOST_ATTEMPTS}")
    return Retry(tuple(codes), 1 if attempts is None else attempts, duration_ms(retry, "backoff") or 0)
