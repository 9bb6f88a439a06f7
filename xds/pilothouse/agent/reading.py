"""From the control plane's messages to services. Pure."""

from __future__ import annotations

from ipaddress import ip_address

from pilothouse._pb.pilothouse.names.v1 import names_pb2 as pb
from pilothouse.model.services import Endpoint, Locality, Port, Service, ServiceName, ServiceSpec, Transport


def service(message: pb.Service) -> Service:
    """The service, as far as names depend on it. Raises ValueError."""
    if not (message.namespace and message.name):
        raise ValueError("a service without a name")
    return Service(
        ServiceSpec(
            ServiceName(message.namespace, message.name, message.imported),
            ports=tuple(map(_port, message.ports)),
            vips=tuple(map(_address, message.addresses)),
            headless=message.headless,
            external_name=message.external_name,
            suffixes=tuple(message.suffixes),
            cluster_domain=message.cluster_domain,
        ),
        tuple(map(_endpoint, message.endpoints)),
    )


def _port(message: pb.Port) -> Port:
    transport = Transport(message.transport)
    return Port(message.name, message.number, transport=transport, target=message.target or None)


def _endpoint(message: pb.Endpoint) -> Endpoint:
    return Endpoint(
        _address(message.address),
        tuple((each.name, each.number or None) for each in message.ports),
        locality=Locality(zone=message.zone),
        hostname=message.hostname,
        cluster=message.cluster,
    )


def _address(packed: bytes) -> str:
    return str(ip_address(packed))
