"""Listener: where a sidecar accepts its application's calls."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from pilothouse._pb.envoy.config.listener.v3.listener_components_pb2 import Filter
from pilothouse._pb.envoy.config.listener.v3.listener_pb2 import Listener
from pilothouse._pb.envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from pilothouse.encoding.resources import packed
from pilothouse.mesh.audience import Address
from pilothouse.mesh.claims import Resolved
from pilothouse.model.services import Port
from pilothouse.translate.clusters import ads
from pilothouse.translate.connection_manager import connection_manager
from pilothouse.translate.hashing import hash_connections
from pilothouse.translate.names import EGRESS, listener_name
from pilothouse.translate.routes.traffic import connections_at, hashes
from pilothouse.translate.subsets import by_hostname


def egress_listener(egress: Address) -> Listener:
    """The listener for HTTP by Host header. Applications use it as http_proxy or call it directly."""
    return _listener(EGRESS, egress.host, egress.port, [http_filter(EGRESS)])


def vip_listener(resolved: Resolved, port: Port, vip: str) -> Listener:
    """The listener of one port of a virtual IP. It binds to that address (AnyIP: a route of the VIP range to
    `lo`).

    For HTTP it does not depend on the service. If its routes were inline, open connections would keep the old
    routes when a virtual IP moves, and Envoy would refuse routes to clusters that it does not have yet.
    """
    name = listener_name(vip, port)
    found = [http_filter(name)] if port.protocol.by_host else tcp_filters(name, resolved, port)
    listener = _listener(name, vip, port.number, found)
    # With freebind, binding needs neither the address on an interface nor the route. So a machine without
    # them does not refuse the configuration. IPv6 AnyIP needs freebind in any case.
    listener.freebind.value = True
    return listener


def http_filter(name: str) -> Filter:
    """A connection manager with the route configuration of this name."""
    manager = connection_manager(name)
    manager.rds.route_config_name = name
    manager.rds.config_source.CopyFrom(ads())
    return Filter(name="envoy.filters.network.http_connection_manager", typed_config=packed(manager))


def tcp_filters(name: str, resolved: Resolved, port: Port) -> list[Filter]:
    """The filters that proxy TCP connections to a port of a service, or to the backends of its routes."""
    proxy = TcpProxy(stat_prefix=name)
    shares = connections_at(resolved, port).shares
    if len(shares) == 1:
        proxy.cluster = shares[0][0]
    for cluster, weight in shares if len(shares) > 1 else ():
        proxy.weighted_clusters.clusters.add(name=cluster, weight=weight)
    before = [hash_connections(proxy)] if hashes(resolved) else []
    return [*before, tcp_proxy(proxy)]


def endpoint_filter(name: str, cluster: str, hostname: str) -> Filter:
    """The filter that proxies TCP connections to the endpoint with this host name."""
    return tcp_proxy(TcpProxy(stat_prefix=name, cluster=cluster, metadata_match=by_hostname(hostname)))


def tcp_proxy(proxy: TcpProxy) -> Filter:
    """The network filter that this configures."""
    return Filter(name="envoy.filters.network.tcp_proxy", typed_config=packed(proxy))


def _listener(name: str, host: str, port: int, filters: Iterable[Filter]) -> Listener:
    listener = Listener(name=name, stat_prefix=name)
    listener.address.socket_address.address = str(ipaddress.ip_address(host))
    listener.address.socket_address.port_value = port
    listener.filter_chains.add().filters.extend(filters)
    return listener
