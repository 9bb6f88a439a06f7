"""The parts of a service that are left out, with reasons. Read from the decisions, not from the encoding."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.mesh.audience import EndpointFacet
from pilothouse.mesh.claims import Resolved
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import Port, Service, ServiceSpec, State, Transport
from pilothouse.translate.dns import hosts_at
from pilothouse.translate.endpoints.candidates import candidates
from pilothouse.translate.names import mesh_ports
from pilothouse.translate.passthrough import by_server_name
from pilothouse.translate.routes.answers import encoded
from pilothouse.translate.routes.traffic import connections_at, requests_at, viewers

_UNANSWERED, _CLOSED = "HTTP requests are answered by 503", "connections are closed"
_CALLED = (State.READY, State.TERMINATING_SERVING)


def omissions_of(
    service: Service, resolved: Resolved, client: EndpointFacet, namespace: str
) -> Iterator[Omission]:
    """Everything that is left out for a client, or called later than the rest. Some of it occurs twice.

    Without a namespace, it includes what is left out for any namespace whose clients get different routes.
    """
    yield from service.left_out
    yield from resolved.omissions
    for host in sorted(resolved.taken):
        yield Omission(Reason.NAME_TAKEN, host)
    yield from _of_ports(service.spec)
    yield from _of_emptiness(service, resolved)
    by_name = by_server_name(resolved)
    yield from by_name.omissions
    yield from _of_unreachable(resolved, by_name.port)
    for port in mesh_ports(service.spec) if resolved.own else ():
        yield from _of_traffic(resolved, port, namespace)
        if resolved.spec.hosts is not None:
            yield from hosts_at(resolved.spec, port).omissions
        else:
            yield from candidates(service, port).omissions(client)


def _of_ports(spec: ServiceSpec) -> Iterator[Omission]:
    if not spec.ports and not spec.external_name:
        yield Omission(Reason.NO_PORTS, str(spec.name))
    for port in spec.ports:
        if port.transport is not Transport.TCP:
            transport = port.transport.value
            yield Omission(Reason.UNSUPPORTED_TRANSPORT, f"port {port.name or port.number}", transport)


def _of_emptiness(service: Service, resolved: Resolved) -> Iterator[Omission]:
    """A service without any endpoint that can be called, whoever the client is."""
    if not resolved.own or not service.spec.ports or service.spec.routes:
        return  # its name leads nowhere, or its routes decide where
    endpoints = resolved.spec.hosts if resolved.spec.hosts is not None else service.endpoints
    if not any(endpoint.weight and endpoint.state in _CALLED for endpoint in endpoints):
        by_host = any(port.protocol.by_host for port in mesh_ports(resolved.spec))
        yield Omission(Reason.NO_ENDPOINTS, str(service.name), _UNANSWERED if by_host else _CLOSED)


def _of_unreachable(resolved: Resolved, by_name: Port | None) -> Iterator[Omission]:
    """Ports that cannot be reached.

    Without a virtual IP, names lead only to HTTP ports and to one TLS port.
    """
    if resolved.answering is None or resolved.spec.vips:
        return
    for port in mesh_ports(resolved.answering):
        if not port.protocol.by_host and port != by_name:
            yield Omission(Reason.NO_VIRTUAL_IP, f"port {port.name or port.number}", port.protocol.value)


def _of_traffic(resolved: Resolved, port: Port, namespace: str) -> Iterator[Omission]:
    if not port.protocol.by_host:
        yield from connections_at(resolved, port).omissions
        return
    for viewer in [namespace] if namespace else ["", *viewers(resolved)]:
        found = requests_at(resolved, port, viewer)
        yield from found.in_force.omissions
        for answer in found.answers:
            yield from answer.omissions
            yield from encoded(answer).omissions  # only the message shows what Envoy would refuse
