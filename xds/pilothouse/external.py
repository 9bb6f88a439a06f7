"""ExternalName of something outside of the mesh: which names a sidecar may be sent to."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import Endpoint, ServiceSpec

# What the hosts files of Linux distributions call the own machine, beside what RFC 6761 reserves.
_LOCAL = frozenset({"localhost", "localhost4", "localhost6", "ip6-localhost", "ip6-loopback"})


def external(spec: ServiceSpec, allowed: bool = True) -> ServiceSpec | Omission:
    """The spec with its external name as its one host, or why that is not called.

    Who may write an ExternalName must not reach through every sidecar what only these can reach: their
    own machine, the metadata service of a cloud, the network of the cluster (CVE-2021-25740 is of this kind).
    """
    target = spec.external_name
    if target.endswith((f".{_domain(spec)}", ".svc")):
        # `.svc` is the cluster's, too, by the search path of a resolver; an alias needs the full name.
        return Omission(Reason.UNKNOWN_TARGET, target, "no Service has this name")
    if not allowed:
        return Omission(Reason.REFUSED_NAME, target, "--no-external-names")
    if not is_public(target):
        return Omission(Reason.REFUSED_NAME, target, "it leads into the sidecar's own machine or network")
    if not spec.ports:
        return Omission(Reason.NO_PORTS, str(spec.name))
    ports = tuple((port.name, port.number) for port in spec.ports)
    return replace(spec, hosts=(Endpoint(target, ports),))


def _domain(spec: ServiceSpec) -> str:
    """What the host names of the cluster end in, for example `cluster.local`."""
    return spec.hostname.removeprefix(f"{spec.name.name}.{spec.name.namespace}.svc.")


def is_public(target: str) -> bool:
    """Whether a host name or IP address (lower case) is none of the sidecar's own machine or network."""
    if target.endswith(".localhost") or target.removesuffix(".localdomain") in _LOCAL:
        return False
    try:
        address = ip_address(target)
    except ValueError:
        return not looks_like_address(target)
    return address.is_global and not address.is_multicast


def looks_like_address(target: str) -> bool:
    """Resolvers read 127.1, 2130706433 and 0x7f000001 as addresses, too; no domain has such a last label."""
    last = target.rpartition(".")[2]
    return last.isdigit() or last.startswith("0x")
