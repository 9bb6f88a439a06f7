"""Choosing an endpoint by a hash: in routes, in TCP listeners, and for gRPC clients.

An application always calls its sidecar from its own machine. So a hash of the source address would send all
clients to one endpoint. The sidecars differ in their node ids. Envoy itself puts its node id into filter
state, so that routes and listeners are the same for all clients.
"""

from __future__ import annotations

from functools import lru_cache

from pilothouse._pb.envoy.config.listener.v3.listener_components_pb2 import Filter
from pilothouse._pb.envoy.config.route.v3.route_components_pb2 import FilterConfig, Route, RouteAction
from pilothouse._pb.envoy.extensions.filters.common.set_filter_state.v3.value_pb2 import FilterStateValue
from pilothouse._pb.envoy.extensions.filters.http.set_filter_state.v3 import (
    set_filter_state_pb2 as http_state,
)
from pilothouse._pb.envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm,
)
from pilothouse._pb.envoy.extensions.filters.network.set_filter_state.v3 import (
    set_filter_state_pb2 as network_state,
)
from pilothouse._pb.envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from pilothouse.encoding.resources import checked, packed
from pilothouse.model.policy import HashOn

_CLIENT = "pilothouse.client"
#: A gRPC client has no node id in filter state. It has a random number for each channel instead (gRFC A42).
_CHANNEL = "io.grpc.channel_id"


def client_filter() -> hcm.HttpFilter:
    """The filter that puts the node id into filter state. Every listener has it; a route has to enable it."""
    config = http_state.Config(on_request_headers=[_client()])
    return hcm.HttpFilter(name=_CLIENT, typed_config=packed(config), disabled=True)


def hash_by(route: Route, hash_on: HashOn | None) -> None:
    """Let a route choose endpoints by a hash. None changes nothing."""
    if hash_on is None:
        return
    route.route.hash_policy.append(_hash_policy(hash_on))
    if hash_on.kind == "client":
        # The filter of the listener, enabled.
        enabled = FilterConfig()
        enabled.config.SetInParent()
        route.typed_per_filter_config[_CLIENT].CopyFrom(packed(enabled))


@lru_cache(maxsize=1 << 10)
def encoded_hash(hash_on: HashOn) -> tuple[bytes, bytes]:
    """The bytes that `hash_by` adds to an encoded route, and those that it adds to the route's action."""
    route = Route()
    route.match.prefix, route.route.cluster = "/", "any"
    hash_by(route, hash_on)
    checked(route)
    action = RouteAction(hash_policy=route.route.hash_policy)
    route.ClearField("match")
    route.ClearField("route")
    return route.SerializeToString(deterministic=True), action.SerializeToString(deterministic=True)


def hash_connections(proxy: TcpProxy) -> Filter:
    """Let connections choose endpoints by a hash of the client. Returns the filter that has to precede the
    proxy.

    Nothing else is known about connections, so the client stands in for what would be hashed of requests.
    """
    proxy.hash_policy.add().filter_state.key = _CLIENT
    config = network_state.Config(on_new_connection=[_client()])
    return Filter(name=_CLIENT, typed_config=packed(config))


def hash_calls(route: Route, hash_on: HashOn | None) -> None:
    """As `hash_by`, for gRPC clients. They can hash headers, and their channel in place of anything else."""
    if hash_on is None:
        return
    if hash_on.kind == "header":
        route.route.hash_policy.append(_hash_policy(hash_on))
    else:
        route.route.hash_policy.add().filter_state.key = _CHANNEL


def _hash_policy(hash_on: HashOn) -> RouteAction.HashPolicy:
    policy = RouteAction.HashPolicy()
    match hash_on.kind:
        case "client":
            policy.filter_state.key = _CLIENT
        case "header":
            policy.header.header_name = hash_on.name
        case "query":
            policy.query_parameter.name = hash_on.name
        case "cookie":
            policy.cookie.name = hash_on.name
            if hash_on.ttl_ms is not None:
                policy.cookie.ttl.FromMilliseconds(hash_on.ttl_ms)
                policy.cookie.path = "/"
    return policy


def _client() -> FilterStateValue:
    value = FilterStateValue(object_key=_CLIENT, factory_key="envoy.hashable_string")
    value.format_string.text_format_source.inline_string = "%CEL(xds.node.id)%"
    return value
