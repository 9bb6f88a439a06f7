"""What things are called in Envoy.

A cluster's name comes from identity alone: were settings hashed into it, each change of policy would
create a new cluster and lose its connections and statistics.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from pilothouse.model.services import Family, Port, ServiceSpec, Transport

EGRESS = "egress"
#: What leads where a connection was addressed to. No cluster of a service has such a name.
PASSTHROUGH = "passthrough"


def cluster_name(spec: ServiceSpec, port: Port) -> str:
    """For example `outbound|8080||payments.shop.svc.cluster.local`; the CLA has the same name."""
    return outbound(spec.hostname, port.number)


def outbound(host: str, number: int) -> str:
    """The cluster of one port of a host."""
    return f"outbound|{number}||{host}"


def stat_name(spec: ServiceSpec, port: Port) -> str:
    """What statistics are filed under: short, and without the dots of a host name in it."""
    return f"{spec.name.name}.{spec.name.namespace}.{port.number}"


def listener_name(vip: str, port: Port) -> str:
    """The listener of one port of a virtual IP, for example `10.96.0.21_8080`."""
    return listener_at(vip, port.number)


def listener_at(host: str, number: int) -> str:
    """The listener at an address that is a virtual IP."""
    return f"{host}_{number}"


def mesh_ports(spec: ServiceSpec) -> Iterator[Port]:
    """The ports that can be clusters: TCP ones, each number once (Envoy refuses duplicate names)."""
    seen = set()
    for port in spec.ports:
        if port.transport is Transport.TCP and port.number not in seen:
            seen.add(port.number)
            yield port


def host_ports(spec: ServiceSpec) -> list[Port]:
    """The ports that are found by Host header. The first serves a host without a port: 80, if it exists."""
    ports = [port for port in mesh_ports(spec) if port.protocol.by_host]
    return sorted(ports, key=lambda port: port.number != 80)


def asked_for(spec: ServiceSpec) -> str:
    """The host name that its endpoints go by: its own, or that of an ExternalName."""
    return spec.external_name or spec.hostname


def by_virtual_ip(port: Port, everything: bool) -> bool:
    """Whether a port is reached through a listener on the service's virtual IP."""
    return everything or not port.protocol.by_host


def listens_at(spec: ServiceSpec, host: str, number: int, everything: bool) -> bool:
    """Whether a service has a listener at this address; of those for HTTP only if `everything` has one."""
    ports = (port for port in mesh_ports(spec) if port.number == number)
    return host in spec.vips and any(by_virtual_ip(port, everything) for port in ports)


def can_listen(listener: str, families: Collection[Family]) -> bool:
    """Whether there can be such a listener where these address families are; none stated means all."""
    return listener == EGRESS or is_of(listener, families)


def is_of(address: str, families: Collection[Family]) -> bool:
    """Whether an IP address is of one of these families; none stated means all."""
    return not families or ("ipv6" if ":" in address else "ipv4") in families
