"""Listener: where a sidecar takes its application's calls."""

from __future__ import annotations

import ipaddress

from google.protobuf.message import Message

from pilothouse._pb.envoy.config.listener.v3.listener_pb2 import Listener
from pilothouse._pb.envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm,
)
from pilothouse._pb.envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from pilothouse.audience import Address
from pilothouse.model import Port, ServiceSpec
from pilothouse.translate.clusters import ads
from pilothouse.translate.http import connection_manager, packed
from pilothouse.translate.names import EGRESS, cluster_name, listener_name

_HTTP_FILTER = "envoy.filters.network.http_connection_manager"
_TCP_FILTER = "envoy.filters.network.tcp_proxy"


def egress_listener(egress: Address) -> Listener:
    """HTTP by Host header, as an application's http_proxy or the target of its requests."""
    return _listener(EGRESS, egress.host, egress.port, _HTTP_FILTER, _routed(EGRESS))


def vip_listener(spec: ServiceSpec, port: Port, vip: str) -> Listener:
    """One port of a virtual IP, bound to that very address (AnyIP, a route of the VIP range to `lo`).

    For HTTP it does not depend on the service: were its routes inline, a virtual IP that moves would
    leave open connections on the old ones, and Envoy would refuse clusters that it does not have yet.
    """
    name = listener_name(vip, port)
    if port.protocol.by_host:
        listener = _listener(name, vip, port.number, _HTTP_FILTER, _routed(name))
    else:
        proxy = TcpProxy(stat_prefix=name, cluster=cluster_name(spec, port))
        listener = _listener(name, vip, port.number, _TCP_FILTER, proxy)
    # Binding needs neither the address on an interface nor the route, so a host that lacks them
    # does not refuse the configuration; IPv6 AnyIP needs it in any case.
    listener.freebind.value = True
    return listener


def _routed(name: str) -> hcm.HttpConnectionManager:
    """With the route configuration of this name."""
    manager = connection_manager(name)
    manager.rds.route_config_name = name
    manager.rds.config_source.CopyFrom(ads())
    return manager


def _listener(name: str, host: str, port: int, filter_name: str, config: Message) -> Listener:
    listener = Listener(name=name, stat_prefix=name)
    listener.address.socket_address.address = str(ipaddress.ip_address(host))
    listener.address.socket_address.port_value = port
    listener.filter_chains.add().filters.add(name=filter_name, typed_config=packed(config))
    return listener
