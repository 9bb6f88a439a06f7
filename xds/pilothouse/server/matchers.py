"""Envoy's node matchers: which clients a request is about, as far as their nodes are known here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

import re2

from pilothouse._pb.envoy.type.matcher.v3.node_pb2 import NodeMatcher
from pilothouse._pb.envoy.type.matcher.v3.string_pb2 import StringMatcher
from pilothouse._pb.envoy.type.matcher.v3.struct_pb2 import StructMatcher
from pilothouse.structures.written import brief

_MOST = 100
_QUOTED = 100
#: The metadata that names a client's namespace. Nothing else of it is kept.
_NAMESPACE = (("NAMESPACE",), ("pilothouse", "namespace"))


class Unsupported(ValueError):
    """A matcher that cannot be evaluated. The text names the field."""


class Known(NamedTuple):
    """What is known of a client's node."""

    id: str
    namespace: str


Matches: TypeAlias = Callable[[str], bool]
Selects: TypeAlias = Callable[[Known], bool]


def selecting(matchers: Iterable[NodeMatcher]) -> Selects:
    """Whether any of these matchers fits a client. Without matchers, all clients fit. Raises Unsupported."""
    found = [_node(f"node_matchers[{index}]", each) for index, each in enumerate(matchers)]
    if len(found) > _MOST:
        raise Unsupported(f"node_matchers: more than {_MOST}")
    return lambda client: not found or any(fits(client) for fits in found)


def _node(field: str, matcher: NodeMatcher) -> Selects:
    fits_id = _text(f"{field}.node_id", matcher.node_id) if matcher.HasField("node_id") else None
    fits_namespace = [_metadata(f"{field}.node_metadatas", each) for each in matcher.node_metadatas]

    def fits(client: Known) -> bool:
        return (fits_id is None or fits_id(client.id)) and all(
            each(client.namespace) for each in fits_namespace
        )

    return fits


def _metadata(field: str, matcher: StructMatcher) -> Matches:
    path = tuple(segment.key for segment in matcher.path)
    if path not in _NAMESPACE or not matcher.value.HasField("string_match"):
        raise Unsupported(
            f"{field}: only NAMESPACE and pilothouse.namespace can be matched, by a string_match: nothing"
            " else of the metadata is kept"
        )
    return _text(f"{field}.value.string_match", matcher.value.string_match)


def _text(field: str, matcher: StringMatcher) -> Matches:
    """Raises Unsupported."""
    kind = matcher.WhichOneof("match_pattern")
    if kind == "safe_regex":
        return _regex(f"{field}.safe_regex", matcher.safe_regex.regex)
    fits: dict[str | None, Callable[[str, str], bool]] = {
        "exact": str.__eq__,
        "prefix": str.startswith,
        "suffix": str.endswith,
        "contains": str.__contains__,
    }
    if kind not in fits:
        raise Unsupported(f"{field}: {kind or 'no pattern'} is not supported")
    wanted: str = getattr(matcher, str(kind))
    if matcher.ignore_case:
        return lambda text: fits[kind](text.lower(), wanted.lower())
    return lambda text: fits[kind](text, wanted)


def _regex(field: str, pattern: str) -> Matches:
    """As Envoy does it: the whole text has to fit, and no expression takes long."""
    options = re2.Options()
    options.log_errors = False
    try:
        found = re2.compile(pattern, options)
    except re2.error:
        raise Unsupported(f"{field}: {brief(pattern, _QUOTED)!r} is no regular expression") from None
    return lambda text: found.fullmatch(text) is not None
