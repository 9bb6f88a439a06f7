"""Services whose endpoints are host names. EDS takes only IP addresses, so the sidecar resolves the names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pilothouse.kubernetes.metadata import is_subdomain
from pilothouse.model.addresses import is_public, looks_like_address
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import Endpoint, ServiceSpec, State

_WHY = {
    Reason.INVALID_ADDRESS: "is not a host name",
    Reason.REFUSED_NAME: "it leads into the sidecar's own machine or network",
}


def are_hosts(endpoints: Sequence[Endpoint]) -> bool:
    """Whether all endpoints are host names. This is fast if the first one is an IP address."""
    return bool(endpoints) and all(_is_host(endpoint.address) for endpoint in endpoints)


def by_name(spec: ServiceSpec, endpoints: Sequence[Endpoint]) -> tuple[ServiceSpec, tuple[Omission, ...]]:
    """The spec with the callable host names in it, because clusters depend on them, and the names left out.

    If none is ready, names that terminate and still serve are called, as with IP addresses (KEP-1669).
    """
    hosts: list[Endpoint] = []
    left_out: list[Omission] = []
    ready = any(_refused(endpoint, State.READY) is None for endpoint in endpoints)
    called = State.READY if ready else State.TERMINATING_SERVING
    for endpoint in endpoints:
        host = endpoint._replace(address=_canonical(endpoint.address))
        reason = _refused(host, called)
        if reason is None:
            hosts.append(host)
        else:
            left_out.append(Omission(reason, host.address, _WHY.get(reason, "")))
    return replace(spec, hosts=tuple(hosts)), tuple(left_out)


def _refused(host: Endpoint, called: State) -> Reason | None:
    if not _is_host(host.address):
        return Reason.INVALID_ADDRESS
    if not is_public(_canonical(host.address)):
        return Reason.REFUSED_NAME
    if host.weight == 0:
        return Reason.MAINTENANCE
    if host.state is called:
        return None
    return Reason.NOT_READY if host.state is State.NOT_READY else Reason.TERMINATING


def _is_host(address: str) -> bool:
    # A malformed IP address is no host name either.
    return is_subdomain(_canonical(address)) and not looks_like_address(address)


def _canonical(name: str) -> str:
    return name.lower().removesuffix(".")
