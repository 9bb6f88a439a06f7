"""What of a service is left out, and why: the translation once more, with somebody listening."""

from __future__ import annotations

from pilothouse.audience import Vantage
from pilothouse.claims import Resolved
from pilothouse.model import Service, Transport
from pilothouse.reasons import Omission, Omit, Reason
from pilothouse.translate.names import mesh_ports
from pilothouse.translate.placement import placed
from pilothouse.translate.pools import named, pool


def report_omissions(service: Service, resolved: Resolved, client: Vantage, omit: Omit) -> None:
    """Tell of everything that is left out for a client there, or called later than the rest."""
    for omission in (*service.left_out, *resolved.omissions):
        omit(omission)
    if not service.spec.ports and not service.spec.external_name:
        omit(Omission(Reason.NO_PORTS, str(service.name)))
    for port in service.spec.ports:
        if port.transport is not Transport.TCP:
            transport = port.transport.value
            omit(Omission(Reason.UNSUPPORTED_TRANSPORT, f"port {port.name or port.number}", transport))
    for port in mesh_ports(service.spec) if resolved.own and service.spec.hosts is None else ():
        found = pool(service, port, omit, named)
        facet = found.facet(client)
        placed(found.scope(facet, omit), found.placement, facet, omit)
