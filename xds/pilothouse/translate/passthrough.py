"""TLS through the egress listener. It is routed by the client's server name and not decrypted.

Each service's filter chains are encoded once, as its virtual hosts are. A listener is joined from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pilothouse._pb.envoy.config.listener.v3.listener_components_pb2 import (
    Filter,
    FilterChain,
    ListenerFilter,
)
from pilothouse._pb.envoy.extensions.filters.listener.tls_inspector.v3.tls_inspector_pb2 import TlsInspector
from pilothouse.encoding import wire
from pilothouse.encoding.resources import checked, packed
from pilothouse.mesh.claims import Resolved
from pilothouse.mesh.names import HostName
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import Port, Protocol
from pilothouse.translate.listeners import endpoint_filter, tcp_filters
from pilothouse.translate.names import EGRESS, cluster_name, mesh_ports

# Field number: Listener.filter_chains.
_FILTER_CHAINS = 3


class Chains(NamedTuple):
    """The encoded filter chains of a service: for clients in its own namespace, and for those in others."""

    own: bytes
    other: bytes


NO_CHAINS = Chains(b"", b"")


class ByServerName(NamedTuple):
    """The TLS port, if any, that the names of a service lead to. The other TLS ports are omitted."""

    port: Port | None
    omissions: tuple[Omission, ...] = ()


def by_server_name(resolved: Resolved) -> ByServerName:
    """The TLS port that is found by server name: 443 if it exists, else the first."""
    answering = resolved.answering
    ports = mesh_ports(answering) if answering is not None else ()
    found = sorted(
        (port for port in ports if port.protocol is Protocol.TLS), key=lambda port: port.number != 443
    )
    if not found:
        return ByServerName(None)
    why = f"by port {found[0].number}"
    lost = (f"port {port.name or port.number}" for port in found[1:])
    return ByServerName(found[0], tuple(Omission(Reason.SERVER_NAME_TAKEN, what, why) for what in lost))


def chains(resolved: Resolved) -> Chains:
    """The filter chain for the TLS port that a service's names lead to.

    For a headless service, each endpoint with a host name has another chain, with the endpoint's names.
    """
    port = by_server_name(resolved).port
    if port is None:
        return NO_CHAINS
    return Chains(*(b"".join(_chains(resolved, port, own)) for own in (True, False)))


def tls_inspector() -> ListenerFilter:
    """The listener filter that reads the server name.

    Plain HTTP goes to the listener's own chain, even if slow.
    """
    return ListenerFilter(name="envoy.filters.listener.tls_inspector", typed_config=packed(TlsInspector()))


def _chains(resolved: Resolved, port: Port, own: bool) -> Iterator[bytes]:
    spec, names = resolved.spec, resolved.names
    filters = tcp_filters(EGRESS, resolved, port)
    yield _chain(f"{spec.hostname}:{port.number}", names.of_service(own), filters)
    for pod, hosts in names.of_endpoints(own):
        filters = [endpoint_filter(EGRESS, cluster_name(spec, port), pod)]
        yield _chain(f"{pod}.{spec.hostname}:{port.number}", hosts, filters)


def _chain(name: str, hosts: Iterable[HostName], filters: Iterable[Filter]) -> bytes:
    chain = FilterChain(name=name, filters=filters)
    chain.filter_chain_match.transport_protocol = "tls"
    # A server name has no trailing dot (RFC 6066, 3).
    chain.filter_chain_match.server_names.extend(h.text for h in hosts if not h.text.endswith("."))
    return wire.delimited(_FILTER_CHAINS, checked(chain))
