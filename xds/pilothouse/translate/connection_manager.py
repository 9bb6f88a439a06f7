"""The HTTP connection manager, for the egress listener and for virtual IPs."""

from __future__ import annotations

from functools import lru_cache

from pilothouse._pb.envoy.config.route.v3.route_components_pb2 import Route, RouteAction
from pilothouse._pb.envoy.extensions.filters.http.router.v3.router_pb2 import Router
from pilothouse._pb.envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm,
)
from pilothouse._pb.envoy.extensions.retry.host.previous_hosts.v3.previous_hosts_pb2 import (
    PreviousHostsPredicate,
)
from pilothouse.encoding import wire
from pilothouse.encoding.resources import checked, packed
from pilothouse.model.policy import HashOn
from pilothouse.translate.hashing import client_filter, encoded_hash
from pilothouse.translate.routes.cors import cors_filter
from pilothouse.translate.routes.sessions import session_filter
from pilothouse.translate.subsets import by_hostname

# Field numbers: Route.route, RouteAction.cluster, .metadata_match, .host_rewrite_literal.
_ACTION, _CLUSTER, _METADATA_MATCH, _HOST_REWRITE = 2, 1, 4, 6
_RETRIES = 2
_OTHER_HOST_ATTEMPTS = 5


def connection_manager(stat_prefix: str) -> hcm.HttpConnectionManager:
    """A connection manager without routes. The caller adds them."""
    manager = hcm.HttpConnectionManager(stat_prefix=stat_prefix, strip_trailing_host_dot=True)
    manager.http_filters.extend([cors_filter(), client_filter(), session_filter()])
    manager.http_filters.add(name="envoy.filters.http.router", typed_config=packed(Router()))
    # Envoy refuses upgrades by default, but WebSockets are ordinary traffic of a mesh.
    manager.upgrade_configs.add(upgrade_type="websocket")
    # The application decides how long it waits. Envoy's default ends streams that are idle for 5 minutes.
    manager.stream_idle_timeout.SetInParent()
    return manager


@lru_cache(maxsize=1)
def _around_cluster() -> tuple[bytes, bytes]:
    """The encoding of `to_cluster` without the cluster's name: what precedes the action, and the action."""
    route = to_cluster("any")
    checked(route)
    action = RouteAction()
    action.CopyFrom(route.route)
    action.ClearField("cluster")
    route.ClearField("route")
    return route.SerializeToString(deterministic=True), action.SerializeToString(deterministic=True)


def encoded_to_cluster(
    cluster: str, host: str = "", hostname: str = "", hash_on: HashOn | None = None
) -> bytes:
    """The encoding of `to_cluster`. Only the name differs from service to service.

    `host` replaces the Host of the request. `hostname` selects the endpoint with that host name.
    """
    match, rest = _around_cluster()
    action = wire.text(_CLUSTER, cluster)
    if hostname:
        action += wire.delimited(_METADATA_MATCH, checked(by_hostname(hostname)))
    if host:
        action += wire.text(_HOST_REWRITE, host)
    if hash_on is not None:
        around, inside = encoded_hash(hash_on)
        match, action = match + around, action + inside
    return match + wire.delimited(_ACTION, action + rest)


def to_cluster(cluster: str) -> Route:
    """A route of everything to one cluster. Envoy retries only what no endpoint can have begun to serve."""
    route = Route()
    route.CopyFrom(_TO_CLUSTER)
    route.route.cluster = cluster
    return route


def _to_cluster() -> Route:
    route = Route()
    route.match.prefix = "/"
    # Envoy's default timeout of 15 s would end slow responses and all streams.
    route.route.timeout.SetInParent()
    retry = route.route.retry_policy
    retry.retry_on = "connect-failure,refused-stream,reset-before-request"
    retry.num_retries.value = _RETRIES
    retry.host_selection_retry_max_attempts = _OTHER_HOST_ATTEMPTS
    retry.retry_host_predicate.add(
        name="envoy.retry_host_predicates.previous_hosts", typed_config=packed(PreviousHostsPredicate())
    )
    return route


_TO_CLUSTER = _to_cluster()
