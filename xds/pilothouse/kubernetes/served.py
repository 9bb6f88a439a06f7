"""The part of a cluster that is served, and what the host names and addresses of its services can be."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from pilothouse.model.addresses import objection

Network: TypeAlias = IPv4Network | IPv6Network

# Where everything listens that is for its own machine alone: a sidecar's egress, Envoy's admin.
_OWN = frozenset({"127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class ServedCluster:
    """What an operator says of a cluster. Without `included` namespaces all are; `excluded` ones never are.

    `domain` and `suffixes` are what the host names of services end in: the fully qualified ones, and
    others beside these. Virtual IPs are in one of `service_networks`, if there are any. With
    `allow_loopback` endpoints may be on loopback addresses, as in a demo on one machine.
    """

    domain: str = "cluster.local"
    suffixes: tuple[str, ...] = ()
    included: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()
    service_networks: tuple[Network, ...] = ()
    allow_loopback: bool = False

    def serves(self, namespace: str) -> bool:
        """Whether objects of a namespace count; what is in none, such as a node, does."""
        if not namespace:
            return True
        return namespace not in self.excluded and (not self.included or namespace in self.included)

    def virtual_ip_objection(self, address: str) -> str:
        """Why no sidecar can listen on an IP address; empty if it can."""
        why = never_virtual(address) or objection(address, self.allow_loopback)
        if why or not self.service_networks:
            return why
        found = ip_address(address)
        inside = any(found in network for network in self.service_networks)
        return "" if inside else "is in no network of --service-cidr"


def network(text: object) -> Network:
    """From `10.96.0.0/16` or `fd00::/108`. Raises ValueError."""
    try:
        return ip_network(str(text))
    except ValueError as error:
        raise ValueError(f"'{text}' is not a network such as 10.96.0.0/16: {error}") from None


def never_virtual(address: str) -> str:
    """Why an IP address is no virtual IP, whatever an operator says; empty if it may be one."""
    if address in _OWN:
        return "is the address of every machine's own services"
    return objection(address, loopback=True)


#: All of a cluster, named as Kubernetes does by default.
WHOLE = ServedCluster()
