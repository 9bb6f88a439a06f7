"""The endpoints of a service that can be called at one of its ports, with address and port number."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from pilothouse.model.addresses import canonical_ip, objection
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import Endpoint, Port, State

#: Canonical address, port number, the endpoint, and its address of the other family or an empty text.
Member: TypeAlias = tuple[str, int, Endpoint, str]

#: Returns an address in the form that Envoy needs, or None if the text is no address.
Canonical: TypeAlias = Callable[[str], str | None]

_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")

#: Two slices may state different states of one endpoint while it moves between them. The lower rank wins.
#: TERMINATING_SERVING comes before NOT_READY: termination is final, so that statement is newer, and the
#: endpoint can be called if nothing else is left.
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


class Members(NamedTuple):
    """The endpoints in service at a port, each once, and those left out.

    `left_out` has reason, name and endpoint. They become omissions when somebody asks.
    """

    port: Port
    in_service: tuple[Member, ...]
    left_out: list[tuple[Reason, str, Endpoint]]

    @property
    def omissions(self) -> Iterator[Omission]:
        for reason, what, endpoint in self.left_out:
            yield Omission(reason, what, _why(reason, endpoint, self.port))


def members(
    endpoints: Iterable[Endpoint], port: Port, canonical: Canonical = ip_or_none, sticky: bool = False
) -> Members:
    """The endpoints in service at this port. If clients stick to endpoints, also those in maintenance."""
    found: dict[tuple[str, int], Member] = {}
    left_out: list[tuple[Reason, str, Endpoint]] = []
    ports: tuple[tuple[str, int | None], ...] | None = None
    number: int | Reason = 0
    for endpoint in endpoints:
        address = canonical(endpoint.address)
        if address is None:
            left_out.append((Reason.INVALID_ADDRESS, endpoint.address, endpoint))
            continue
        if endpoint.weight == 0:
            reason = Reason.DRAINED if endpoint.drained else Reason.MAINTENANCE
            left_out.append((reason, endpoint.address, endpoint))
            if not sticky or endpoint.state is State.TERMINATING:
                continue
            endpoint = endpoint._replace(state=State.MAINTENANCE, weight=1)
        if endpoint.ports != ports:  # most endpoints have the same ports as the one before
            ports, number = endpoint.ports, _number(endpoint, port)
        if not isinstance(number, int):
            left_out.append((number, endpoint.address, endpoint))
            continue
        member = address, number, endpoint, ""
        held = found.setdefault((address, number), member)
        if held is not member:
            left_out.append((Reason.DUPLICATE_LOSER, written(address, number), endpoint))
            # If both have the same state, the one with a workload wins: it can be paired with its other
            # address.
            found[address, number] = min(held, member, key=_precedence)
    return Members(port, tuple(found.values()), left_out)


def without(members: Iterable[Member], kept: Iterable[Member]) -> Iterator[Member]:
    """The members that are not in `kept`."""
    places = {(address, number) for address, number, _, _ in kept}
    return (member for member in members if (member[0], member[1]) not in places)


def _precedence(member: Member) -> tuple[int, bool]:
    return RANK[member[2].state], not member[2].workload


def written(address: str, number: int) -> str:
    """An address and a port in the usual notation."""
    return f"[{address}]:{number}" if ":" in address else f"{address}:{number}"


def _number(endpoint: Endpoint, port: Port) -> int | Reason:
    """The number of a service port at an endpoint, found by the port's name, or why there is none."""
    for name, number in endpoint.ports:
        if name == port.name:
            actual = port.target if number is None else number
            return actual if actual is not None and 0 < actual < 65536 else Reason.INVALID_PORT
    return Reason.PORT_NAME_MISMATCH


def _why(reason: Reason, endpoint: Endpoint, port: Port) -> str:
    match reason:
        case Reason.INVALID_ADDRESS:
            return objection(endpoint.address) or "is not an IP address"
        case Reason.INVALID_PORT:
            stated = dict(endpoint.ports)[port.name]
            actual = port.target if stated is None else stated
            return f"port {port.name!r} {'has no number' if actual is None else f'is {actual}'}"
        case Reason.PORT_NAME_MISMATCH:
            known = f"named {port.name!r}" if port.name else "without a name"
            return f"the slice has no TCP port {known}, as the Service's port {port.number} is"
        case Reason.DRAINED:
            return endpoint.drained
        case Reason.DUPLICATE_LOSER:
            return "is there twice"
        case _:
            return ""
