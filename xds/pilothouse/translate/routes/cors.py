"""The CORS filter. It answers the preflight requests of browsers and tells them what a page may do."""

from __future__ import annotations

from pilothouse._pb.envoy.config.route.v3.route_components_pb2 import Route
from pilothouse._pb.envoy.extensions.filters.http.cors.v3.cors_pb2 import Cors as CorsFilter
from pilothouse._pb.envoy.extensions.filters.http.cors.v3.cors_pb2 import CorsPolicy
from pilothouse._pb.envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm,
)
from pilothouse.encoding.resources import checked, packed
from pilothouse.model.routing import Cors, Field, Match

_NAME = "envoy.filters.http.cors"
_ANY = ("*",)
_ASKED = "access-control-request-method"


def cors_filter() -> hcm.HttpFilter:
    """The filter. Every listener has it; it does nothing unless a route has a policy."""
    return hcm.HttpFilter(name=_NAME, typed_config=packed(CorsFilter()), disabled=True)


def allow(route: Route, cors: Cors | None) -> None:
    """Let pages of other origins call a route, according to `cors`. Raises rules.RuleViolation."""
    if cors is None:
        return
    policy = CorsPolicy(
        allow_methods=", ".join(cors.methods),
        allow_headers=", ".join(cors.headers),
        expose_headers="" if cors.credentials and cors.visibility == _ANY else ", ".join(cors.visibility),
        max_age=str(cors.max_age_s),
    )
    policy.allow_credentials.value = cors.credentials
    policy.forward_not_matching_preflights.value = False
    for origin in cors.origins:
        matcher = policy.allow_origin_string_match.add()
        if origin.regex:
            matcher.safe_regex.regex = origin.value
        else:
            matcher.exact = origin.value
    checked(policy)
    route.typed_per_filter_config[_NAME].CopyFrom(packed(policy))


def preflight(match: Match, cors: Cors | None) -> Match | None:
    """The match of a preflight request, if it differs from the match of the call.

    A preflight request has the method OPTIONS and none of the call's headers.
    """
    if cors is None or not (match.method or match.headers):
        return None
    asked = Field(_ASKED, match.method) if match.method else Field(_ASKED, ".+", regex=True)
    return match._replace(method="OPTIONS", headers=(asked, Field("origin", ".+", regex=True)))
