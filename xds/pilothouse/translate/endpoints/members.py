"""Which endpoints of a service can be called at one of its ports at all, and at which address and number."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache
from typing import TypeAlias

from pilothouse.model.addresses import canonical_ip, objection
from pilothouse.model.reasons import Omission, Omit, Reason
from pilothouse.model.services import Endpoint, Port, State

#: Canonical address, number, what the endpoint says, and its address of the other family or nothing.
Member: TypeAlias = tuple[str, int, Endpoint, str]

#: An address as Envoy needs it, or None for what is no address.
Canonical: TypeAlias = Callable[[str], str | None]

_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")

#: Of two that say different things of one endpoint, the better state counts (slices in mid-move). That it
#: terminates is final, so newer than that it is not ready, and if nothing else is left it can be called.
RANK = {
    State.READY: 0,
    State.TERMINATING_SERVING: 1,
    State.NOT_READY: 2,
    State.TERMINATING: 3,
    State.MAINTENANCE: 4,
}


@lru_cache(maxsize=1 << 18)
def ip_or_none(address: str) -> str | None:
    """An IP address as EDS needs it, or None: a host name makes Envoy refuse the whole response."""
    if _IPV4.fullmatch(address):
        return address
    try:
        return str(canonical_ip(address))
    except ValueError:
        return None


def members(
    endpoints: Iterable[Endpoint],
    port: Port,
    omit: Omit,
    canonical: Canonical = ip_or_none,
    sticky: bool = False,
) -> list[Member]:
    """The endpoints in service at this port, and if clients stick to them, in maintenance; each once."""
    found: dict[tuple[str, int], Endpoint] = {}
    for endpoint in endpoints:
        address = canonical(endpoint.address)
        if address is None:
            omit(Omission(Reason.INVALID_ADDRESS, endpoint.address, _mistake(endpoint.address)))
            continue
        if endpoint.weight == 0:
            omit(Omission(Reason.MAINTENANCE, endpoint.address))
            if not sticky or endpoint.state is State.TERMINATING:
                continue
            endpoint = replace(endpoint, state=State.MAINTENANCE, weight=1)
        number = _number(endpoint, port, omit)
        if number is None:
            continue
        held = found.get((address, number))
        # Of two in one state, the one that says what runs there: it can be paired with its other address.
        if held is None or _precedence(endpoint) < _precedence(held):
            found[address, number] = endpoint
        if held is not None:
            omit(Omission(Reason.DUPLICATE_LOSER, written(address, number), "is there twice"))
    return [(address, number, endpoint, "") for (address, number), endpoint in found.items()]


def _precedence(endpoint: Endpoint) -> tuple[int, bool]:
    return RANK[endpoint.state], not endpoint.workload


def written(address: str, number: int) -> str:
    """An address and a port as people write them."""
    return f"[{address}]:{number}" if ":" in address else f"{address}:{number}"


def _number(endpoint: Endpoint, port: Port, omit: Omit) -> int | None:
    """The number of a service port at an endpoint, joined by the port's name."""
    for name, number in endpoint.ports:
        if name == port.name:
            actual = port.target if number is None else number
            if actual is not None and 0 < actual < 65536:
                return actual
            why = "has no number" if actual is None else f"is {actual}"
            omit(Omission(Reason.INVALID_PORT, endpoint.address, f"port {port.name!r} {why}"))
            return None
    known = f"named {port.name!r}" if port.name else "without a name"
    why = f"the slice has no TCP port {known}, as the Service's port is"
    omit(Omission(Reason.PORT_NAME_MISMATCH, endpoint.address, why))
    return None


def _mistake(address: str) -> str:
    return objection(address) or "is not an IP address"
