"""RouteMatch: which requests a rule matches."""

from __future__ import annotations

from collections.abc import Iterable

from pilothouse._pb.envoy.config.core.v3.base_pb2 import RuntimeFractionalPercent
from pilothouse._pb.envoy.config.route.v3.route_components_pb2 import Route, RouteMatch
from pilothouse._pb.envoy.type.matcher.v3.string_pb2 import StringMatcher
from pilothouse._pb.envoy.type.v3.percent_pb2 import FractionalPercent
from pilothouse.model.routing import Field, Match, PathKind

_MILLION = 1_000_000


def matched(match: Match) -> RouteMatch:
    """The RouteMatch for a match.

    A prefix consists of whole segments. A regular expression matches whole values.
    """
    message = RouteMatch()
    path = match.path
    if path.kind is PathKind.EXACT:
        message.path = path.value
    elif path.kind is PathKind.REGEX:
        message.safe_regex.regex = path.value
    elif path.value.rstrip("/"):
        message.path_separated_prefix = path.value.rstrip("/")
    else:
        message.prefix = "/"
    fields = (*match.headers, *((Field(":method", match.method),) if match.method else ()))
    for name, matcher in _matchers(fields):
        message.headers.add(name=name, string_match=matcher)
    for name, matcher in _matchers(match.query):
        message.query_parameters.add(name=name, string_match=matcher)
    return message


def only_a_share(route: Route, part: int, whole: int) -> None:
    """Let a route match `part` of `whole` of its requests. The rest goes on to the next route."""
    route.match.runtime_fraction.CopyFrom(fraction(part * _MILLION // whole))


def fraction(parts_per_million: int) -> RuntimeFractionalPercent:
    share = FractionalPercent(numerator=parts_per_million, denominator=FractionalPercent.MILLION)
    return RuntimeFractionalPercent(default_value=share)


def _matchers(fields: Iterable[Field]) -> Iterable[tuple[str, StringMatcher]]:
    for field in fields:
        matcher = StringMatcher()
        if field.regex:
            matcher.safe_regex.regex = field.value
        else:
            matcher.exact = field.value
        yield field.name, matcher
