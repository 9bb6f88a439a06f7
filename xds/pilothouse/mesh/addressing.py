"""Which services are given a virtual IP, because they have none and cannot be called without."""

from __future__ import annotations

from pilothouse.mesh.external import external
from pilothouse.model.services import ServiceSpec, Transport


def wants_virtual_ip(spec: ServiceSpec, external_names: bool = True) -> bool:
    """Whether a service needs an address: a TCP port of it cannot be found by Host header.

    One that is headless or states addresses is as its owner wants it. An ExternalName needs one if it leads
    out of the mesh; an alias of another service has that one's address.
    """
    if spec.vips or spec.headless or not spec.addressable:
        return False
    if not any(port.transport is Transport.TCP and not port.protocol.by_host for port in spec.ports):
        return False
    return not spec.external_name or isinstance(external(spec, external_names), ServiceSpec)
