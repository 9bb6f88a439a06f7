"""What is different for a client whose connections the kernel redirects to its egress listener.

Envoy asks the kernel where a connection was addressed to, and hands it to the listener of that address. What
goes to no virtual IP stays with the egress listener, which passes it on as it is, or closes it.
"""

from __future__ import annotations

import ipaddress
from functools import cache

from google.protobuf.any_pb2 import Any

from pilothouse._pb.envoy.config.cluster.v3.cluster_pb2 import Cluster
from pilothouse._pb.envoy.config.listener.v3.listener_components_pb2 import ListenerFilter
from pilothouse._pb.envoy.config.listener.v3.listener_pb2 import Listener
from pilothouse._pb.envoy.extensions.filters.listener.original_dst.v3.original_dst_pb2 import OriginalDst
from pilothouse._pb.envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from pilothouse.encoding import wire
from pilothouse.encoding.resources import Resource, checked, packed
from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.audience import Address
from pilothouse.translate.listeners import tcp_proxy
from pilothouse.translate.names import PASSTHROUGH

# Outside of the mesh, the first packet may be lost twice.
_CONNECT_TIMEOUT_S = 10
# More than an application has, and few enough for a loop to end: that of an Envoy whose own connections are
# led back to it, since the rules let another user alone. Each takes 0.1 MB there. Envoy's default is 1024.
_CONNECTIONS = 4_096
# A BoolValue that is false, which is empty. Field number: Listener.bind_to_port.
_UNBOUND = wire.delimited(26, b"")


def redirect(egress: Listener, at: tuple[Address, ...], passes_on: bool) -> None:
    """Let an egress listener, with all its filter chains, take what is redirected, at these addresses.

    Its filter chains are for what was addressed to it, as to a proxy. Of the rest its listener filters read
    nothing, since a server that speaks first would be waited for in vain.
    """
    for address in at[1:]:
        place = egress.additional_addresses.add().address.socket_address
        place.address, place.port_value = address.host, address.port
    egress.use_original_dst.value = True
    for chain in egress.filter_chains:
        for address in at:
            network = chain.filter_chain_match.prefix_ranges.add(address_prefix=address.host)
            network.prefix_len.value = ipaddress.ip_address(address.host).max_prefixlen
    for each in egress.listener_filters:
        port = each.filter_disabled.not_match.destination_port_range
        port.start, port.end = at[0].port, at[0].port + 1
    if egress.listener_filters:
        # Envoy adds this by itself, but after the others.
        egress.listener_filters.insert(0, _original_destination())
    if passes_on:
        proxy = TcpProxy(stat_prefix=PASSTHROUGH, cluster=PASSTHROUGH)
        # Envoy would end what is silent for an hour.
        proxy.idle_timeout.SetInParent()
        egress.default_filter_chain.filters.append(tcp_proxy(proxy))


def unbound(listener: Resource) -> Resource:
    """A listener at a virtual IP without a socket: it takes what another one hands to it."""
    # Encoded messages that are joined are one message.
    data = Any.FromString(listener.any).value + _UNBOUND
    return Resource(ResourceType.LISTENER, listener.name, data)


@cache
def passthrough() -> Resource:
    """The cluster that leads where a connection was addressed to."""
    message = Cluster(name=PASSTHROUGH, type=Cluster.ORIGINAL_DST, lb_policy=Cluster.CLUSTER_PROVIDED)
    message.connect_timeout.seconds = _CONNECT_TIMEOUT_S
    limits = message.circuit_breakers.thresholds.add()
    limits.max_connections.value = limits.max_pending_requests.value = _CONNECTIONS
    return Resource(ResourceType.CLUSTER, PASSTHROUGH, checked(message), complete=True)


def _original_destination() -> ListenerFilter:
    return ListenerFilter(name="envoy.filters.listener.original_dst", typed_config=packed(OriginalDst()))
