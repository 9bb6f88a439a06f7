"""Stateful sessions: a client sends back what it got with its first answer, and reaches the same endpoint.

Envoy writes the address of the endpoint into a cookie or a header. If the endpoint is gone, Envoy balances
the request as any other and writes a new address.
"""

from __future__ import annotations

from hashlib import sha256

from pilothouse._pb.envoy.config.route.v3.route_components_pb2 import Route
from pilothouse._pb.envoy.extensions.filters.http.stateful_session.v3.stateful_session_pb2 import (
    StatefulSession,
    StatefulSessionPerRoute,
)
from pilothouse._pb.envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm,
)
from pilothouse._pb.envoy.extensions.http.stateful_session.cookie.v3.cookie_pb2 import CookieBasedSessionState
from pilothouse._pb.envoy.extensions.http.stateful_session.header.v3.header_pb2 import HeaderBasedSessionState
from pilothouse.encoding.resources import checked, packed
from pilothouse.model.routing import HeaderChange, Session

_NAME = "envoy.filters.http.stateful_session"


def session_filter() -> hcm.HttpFilter:
    """The filter. Every listener has it; it does nothing unless a route has a session."""
    return hcm.HttpFilter(name=_NAME, typed_config=packed(StatefulSession()), disabled=True)


def keep(route: Route, session: Session | None) -> None:
    """Send the requests of a session to the endpoint that got the first one. Raises rules.RuleViolation."""
    if session is None:
        return
    config = StatefulSessionPerRoute()
    state = config.stateful_session.session_state
    if session.by_header:
        state.name = "envoy.http.stateful_session.header"
        state.typed_config.CopyFrom(packed(HeaderBasedSessionState(name=session.name)))
    else:
        state.name = "envoy.http.stateful_session.cookie"
        cookie = CookieBasedSessionState()
        cookie.cookie.name, cookie.cookie.path = session.name, "/"
        if session.lifetime_s:
            cookie.cookie.ttl.FromSeconds(session.lifetime_s)
        state.typed_config.CopyFrom(packed(cookie))
    checked(config)
    route.typed_per_filter_config[_NAME].CopyFrom(packed(config))


def mark(session: Session, cluster: str) -> str:
    """The cookie that names the cluster of a session, in the form in which a client sends it back."""
    return f"{session.name}-backend={sha256(cluster.encode()).hexdigest()[:16]}"


def marking(session: Session, cluster: str) -> HeaderChange:
    """The response header that sets that cookie."""
    lifetime = f"; Max-Age={session.lifetime_s}" if session.lifetime_s else ""
    return HeaderChange(add=(("set-cookie", f"{mark(session, cluster)}; Path=/; HttpOnly{lifetime}"),))
