"""The part of a cluster that is served, and which host names and addresses its services may have."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface, ip_network
from typing import TypeAlias

from pilothouse.model.addresses import objection

Network: TypeAlias = IPv4Network | IPv6Network

# Addresses for services of the local machine only, such as a sidecar's egress and Envoy's admin port.
_OWN = frozenset({"127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class ServedCluster:
    """What the operator says about a cluster. Without `included`, all namespaces are served, except
    `excluded` ones.

    `domain` is the cluster's DNS domain. `suffixes` are additional suffixes of short host names.
    `service_networks` contain all virtual IPs. Empty means any network.
    `allow_loopback` allows endpoints on loopback addresses, as in a demo on one machine.
    """

    domain: str = "cluster.local"
    suffixes: tuple[str, ...] = ()
    included: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()
    service_networks: tuple[Network, ...] = ()
    allow_loopback: bool = False

    def serves(self, namespace: str) -> bool:
        """Whether objects of a namespace count. Objects without a namespace, such as Nodes, always do."""
        if not namespace:
            return True
        return namespace not in self.excluded and (not self.included or namespace in self.included)

    def virtual_ip_objection(self, address: str) -> str:
        """Why no sidecar can listen on an IP address. Empty if it can."""
        why = never_virtual(address) or objection(address, self.allow_loopback)
        if why or not self.service_networks:
            return why
        found = ip_address(address)
        inside = any(found in network for network in self.service_networks)
        return "" if inside else "is in no network of --service-cidr"


def network(text: object) -> Network:
    """Parse `10.96.0.0/16` or `fd00::/108`. Raises ValueError."""
    try:
        found = ip_network(str(text), strict=False)
    except ValueError:
        raise ValueError(f"'{text}' is not a network; write ADDRESS/BITS") from None
    if ip_interface(str(text)).ip != found.network_address:
        raise ValueError(f"'{text}' does not begin its network: did you mean {found}?")
    return found


def never_virtual(address: str) -> str:
    """Why an IP address is no virtual IP under any settings. Empty if it may be one."""
    if address in _OWN:
        return "is the loopback address that local services use"
    return objection(address, loopback=True)


#: A whole cluster with Kubernetes' default domain.
WHOLE = ServedCluster()
