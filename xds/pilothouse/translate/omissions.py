"""What of a service is left out, and why: the translation once more, with somebody listening."""

from __future__ import annotations

from pilothouse.model import Service, Transport
from pilothouse.reasons import Omission, Omit, Reason
from pilothouse.translate.endpoints import groups
from pilothouse.translate.names import mesh_ports


def report_omissions(service: Service, omit: Omit) -> None:
    """Tell of everything that is left out for every client."""
    for omission in service.left_out:
        omit(omission)
    for port in service.spec.ports:
        if port.transport is not Transport.TCP:
            transport = port.transport.value
            omit(Omission(Reason.UNSUPPORTED_TRANSPORT, f"port {port.name or port.number}", transport))
    for port in mesh_ports(service.spec):
        groups(service, port, omit)
