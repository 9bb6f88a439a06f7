"""Services whose endpoints are host names. EDS knows only IP addresses, so the sidecar resolves these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pilothouse.external import is_public
from pilothouse.kubernetes.addresses import is_address
from pilothouse.kubernetes.metadata import is_subdomain
from pilothouse.model import Endpoint, ServiceSpec, State
from pilothouse.reasons import Omission, Reason


def are_hosts(endpoints: Sequence[Endpoint]) -> bool:
    """Whether all endpoints are host names. Costs nothing to speak of where the first one is none."""
    return not is_address(endpoints[0].address) and all(_is_host(endpoint.address) for endpoint in endpoints)


def by_name(spec: ServiceSpec, endpoints: Sequence[Endpoint]) -> tuple[ServiceSpec, tuple[Omission, ...]]:
    """The spec with its ready endpoints as hosts, since its clusters depend on them; and the others."""
    hosts: list[Endpoint] = []
    left_out: list[Omission] = []
    for endpoint in endpoints:
        host = replace(endpoint, address=_canonical(endpoint.address))
        reason = _refused(host)
        if reason is None:
            hosts.append(host)
        else:
            left_out.append(Omission(reason, host.address))
    return replace(spec, hosts=tuple(hosts)), tuple(left_out)


def _refused(host: Endpoint) -> Reason | None:
    if not is_public(host.address):
        return Reason.REFUSED_NAME
    if host.weight == 0:
        return Reason.MAINTENANCE
    if host.state is State.READY:
        return None
    return Reason.NOT_READY if host.state is State.NOT_READY else Reason.TERMINATING


def _is_host(address: str) -> bool:
    return is_subdomain(_canonical(address)) and not is_address(address)


def _canonical(name: str) -> str:
    return name.lower().removesuffix(".")
