"""What of a service is left out, and why: the translation once more, with somebody listening."""

from __future__ import annotations

from pilothouse.mesh.audience import EndpointFacet
from pilothouse.mesh.claims import Resolved
from pilothouse.model.reasons import Omission, Omit, Reason
from pilothouse.model.services import Service, ServiceSpec, State, Transport
from pilothouse.translate.dns import hosts_at
from pilothouse.translate.endpoints.placement import placed
from pilothouse.translate.endpoints.pools import named, pool
from pilothouse.translate.names import mesh_ports
from pilothouse.translate.passthrough import chains, tls_ports
from pilothouse.translate.routes.traffic import connection_shares, request_routes, viewers

_UNANSWERED = "no endpoint is ready: HTTP requests are answered by 503"
_CALLED = (State.READY, State.TERMINATING_SERVING)


def report_omissions(
    service: Service, resolved: Resolved, client: EndpointFacet, namespace: str, omit: Omit
) -> None:
    """Tell of everything that is left out for a client there, or called later than the rest.

    For one without a namespace, what is left out for any namespace that the routes of a service tell apart.
    """
    for omission in (*service.left_out, *resolved.omissions):
        omit(omission)
    for host in sorted(resolved.taken):
        omit(Omission(Reason.NAME_TAKEN, host))
    _report_ports(service.spec, omit)
    _report_emptiness(service, resolved, omit)
    chains(resolved, omit)
    _report_unreachable(resolved, omit)
    for port in mesh_ports(service.spec) if resolved.own else ():
        if port.protocol.by_host:
            for viewer in [namespace] if namespace else ["", *viewers(resolved)]:
                request_routes(resolved, port, viewer, omit)
        else:
            connection_shares(resolved, port, omit)
        if resolved.spec.hosts is not None:
            hosts_at(resolved.spec, port, omit)
            continue
        found = pool(service, port, omit, named)
        facet = found.facet(client)
        placed(found.allowed(facet, omit), found.placement, facet, omit)


def _report_ports(spec: ServiceSpec, omit: Omit) -> None:
    if not spec.ports and not spec.external_name:
        omit(Omission(Reason.NO_PORTS, str(spec.name)))
    for port in spec.ports:
        if port.transport is not Transport.TCP:
            transport = port.transport.value
            omit(Omission(Reason.UNSUPPORTED_TRANSPORT, f"port {port.name or port.number}", transport))


def _report_emptiness(service: Service, resolved: Resolved, omit: Omit) -> None:
    """That nobody is there to be called, whoever asks."""
    if not resolved.own or not service.spec.ports or service.spec.routes:
        return  # nobody is called by its name, or others are
    endpoints = resolved.spec.hosts if resolved.spec.hosts is not None else service.endpoints
    if not any(endpoint.weight and endpoint.state in _CALLED for endpoint in endpoints):
        omit(Omission(Reason.NO_ENDPOINTS, str(service.name), _UNANSWERED))


def _report_unreachable(resolved: Resolved, omit: Omit) -> None:
    """Ports that nothing leads to: a name without an address tells apart only HTTP, and TLS of one port."""
    if resolved.answering is None or resolved.spec.vips:
        return
    by_name = tls_ports(resolved.answering)[:1]
    for port in mesh_ports(resolved.answering):
        if not port.protocol.by_host and port not in by_name:
            omit(Omission(Reason.NO_VIRTUAL_IP, f"port {port.name or port.number}", port.protocol.value))
