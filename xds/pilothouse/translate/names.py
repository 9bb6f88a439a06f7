"""The names of resources in Envoy.

A cluster's name depends on the service's identity only. If it contained a hash of settings, each change of
policy would create a new cluster and lose the old one's connections and statistics.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from pilothouse.model.services import Family, Port, ServiceSpec, Transport

EGRESS = "egress"
#: What leads where a connection was addressed to. No cluster of a service has such a name.
PASSTHROUGH = "passthrough"


def cluster_name(spec: ServiceSpec, port: Port) -> str:
    """For example `outbound|8080||payments.shop.svc.cluster.local`. The load assignment has the same name."""
    return outbound(spec.hostname, port.number)


def outbound(host: str, number: int) -> str:
    """The name of the cluster for one port of a host."""
    return f"outbound|{number}||{host}"


def stat_name(spec: ServiceSpec, port: Port) -> str:
    """The name under which Envoy counts statistics, for example `payments.shop.8080`."""
    of = f"{spec.name.namespace}.clusterset" if spec.name.imported else spec.name.namespace
    return f"{spec.name.name}.{of}.{port.number}"


def listener_name(vip: str, port: Port) -> str:
    """The name of the listener for one port of a virtual IP, for example `10.96.0.21_8080`."""
    return listener_at(vip, port.number)


def listener_names(spec: ServiceSpec) -> list[str]:
    """The names of the listeners at all virtual IPs of a service. Their routes have the same names."""
    return [listener_name(vip, port) for vip in spec.vips for port in mesh_ports(spec)]


def listener_at(host: str, number: int) -> str:
    """The name of the listener at a virtual IP and a port number."""
    return f"{host}_{number}"


def mesh_ports(spec: ServiceSpec) -> Iterator[Port]:
    """The ports that become clusters: TCP ports, each number once (Envoy refuses duplicate names)."""
    seen = set()
    for port in spec.ports:
        if port.transport is Transport.TCP and port.number not in seen:
            seen.add(port.number)
            yield port


def host_ports(spec: ServiceSpec) -> list[Port]:
    """The ports that are found by Host header. The first one serves hosts without a port: 80 if it exists."""
    ports = [port for port in mesh_ports(spec) if port.protocol.by_host]
    return sorted(ports, key=lambda port: port.number != 80)


def asked_for(spec: ServiceSpec) -> str:
    """The host name that its endpoints expect: the service's own, or that of an ExternalName."""
    return spec.external_name or spec.hostname


def by_virtual_ip(port: Port, everything: bool) -> bool:
    """Whether a port is reached through a listener on the service's virtual IP."""
    return everything or not port.protocol.by_host


def listens_at(spec: ServiceSpec, host: str, number: int, everything: bool) -> bool:
    """Whether a service has a listener at this address.

    HTTP ports have one only if `everything` is captured.
    """
    ports = (port for port in mesh_ports(spec) if port.number == number)
    return host in spec.vips and any(by_virtual_ip(port, everything) for port in ports)


def can_listen(listener: str, families: Collection[Family]) -> bool:
    """Whether a client with these address families can have this listener. No families means all."""
    return listener == EGRESS or is_of(listener, families)


def is_of(address: str, families: Collection[Family]) -> bool:
    """Whether an IP address is of one of these families. No families means all."""
    return not families or ("ipv6" if ":" in address else "ipv4") in families
