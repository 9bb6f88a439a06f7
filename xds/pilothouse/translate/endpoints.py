"""ClusterLoadAssignment: where one port of a service runs right now, as one client should see it.

It is joined from encoded endpoints, in two steps: `groups` depends on the service alone and is shared
by all clients; `load_assignment` gives each group the priority that it has for one client's locality.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pilothouse import wire
from pilothouse._pb.envoy.config.core.v3.health_check_pb2 import HealthStatus
from pilothouse._pb.envoy.config.endpoint.v3.endpoint_components_pb2 import LbEndpoint, LocalityLbEndpoints
from pilothouse._pb.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from pilothouse.model import NOWHERE, Endpoint, Locality, Port, Service, State
from pilothouse.reasons import Omission, Omit, Reason, unsaid
from pilothouse.resources import checked

# Field numbers: ClusterLoadAssignment.endpoints, LocalityLbEndpoints.lb_endpoints, LbEndpoint.endpoint,
# Endpoint.address, Address.socket_address, SocketAddress.address.
_LOCALITIES, _LB_ENDPOINTS, _ENDPOINT, _ENDPOINT_ADDRESS, _SOCKET_ADDRESS, _ADDRESS = 2, 2, 1, 1, 1, 2

_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")

# Looked up once: protobuf's enum wrappers search for each name anew.
_HEALTHY, _UNHEALTHY = HealthStatus.HEALTHY, HealthStatus.UNHEALTHY

#: Of two endpoints with one address, the one in the better state counts (translation: slices in mid-move).
_RANK = {State.READY: 0, State.NOT_READY: 1, State.TERMINATING_SERVING: 2, State.TERMINATING: 3}


@dataclass(frozen=True, slots=True)
class Group:
    """The endpoints of one locality: their joined encodings and the sum of their weights."""

    locality: Locality
    encoded: bytes
    weight: int


def groups(service: Service, port: Port, omit: Omit = unsaid) -> tuple[Group, ...]:
    """What may be sent for one port, by locality, in order. Raises rules.RuleViolation.

    Ready endpoints are HEALTHY, those not ready UNHEALTHY so that the lost capacity shows. Terminating
    ones are left out, or every rollout would look like an outage to the locality's health; but if
    nothing is ready, those that still serve do (KEP-1669), and must then be HEALTHY for Envoy.
    """
    placed = _distinct(service.endpoints, port, omit)
    serving = State.READY
    if not any(endpoint.state is State.READY for _, _, endpoint in placed):
        serving = State.TERMINATING_SERVING
    collected: dict[Locality, tuple[list[bytes], list[int]]] = {}
    for address, number, endpoint in placed:
        if endpoint.state is serving:
            health = _HEALTHY
        elif endpoint.state is State.NOT_READY:
            health = _UNHEALTHY
            omit(Omission(Reason.NOT_READY, _written(address, number)))
        else:
            omit(Omission(Reason.TERMINATING, _written(address, number), endpoint.state.value))
            continue
        pieces, weights = collected.setdefault(endpoint.locality, ([], []))
        pieces.append(_lb_endpoint(address, number, endpoint.weight, health))
        weights.append(endpoint.weight)
    return tuple(
        Group(at, b"".join(pieces), sum(weights)) for at, (pieces, weights) in sorted(collected.items())
    )


def load_assignment(name: str, groups: Sequence[Group], client: Locality) -> bytes:
    """The encoded message for a client at a locality. Without groups it is empty: no endpoints."""
    distances = [distance(client, group.locality) for group in groups]
    # Envoy accepts gaps between priorities, gRPC does not.
    priority = {distance: rank for rank, distance in enumerate(sorted(set(distances)))}
    pieces = [_header(name)]
    for group, distance_to in zip(groups, distances, strict=True):
        head = _locality_head(group.locality, group.weight, priority[distance_to])
        pieces += (wire.head(_LOCALITIES, len(head) + len(group.encoded)), head, group.encoded)
    return b"".join(pieces)


def distance(client: Locality, endpoint: Locality) -> int:
    """0 same sub-zone, 1 same zone, 2 same region, 3 elsewhere, 4 unknown; 0 for a client that is nowhere.

    A part that one side does not state does not keep them apart as long as a narrower part is equal:
    a slice names a zone but no region.
    """
    if client == NOWHERE:
        return 0
    if endpoint == NOWHERE:
        return 4
    if client.region and endpoint.region and client.region != endpoint.region:
        return 3
    if not client.zone or client.zone != endpoint.zone:
        return 2 if client.region == endpoint.region else 3
    return 0 if client.sub_zone in ("", endpoint.sub_zone) else 1


def _distinct(endpoints: Iterable[Endpoint], port: Port, omit: Omit) -> list[tuple[str, int, Endpoint]]:
    """The endpoints in service at this port, with canonical address and number; each pair once."""
    found: dict[tuple[str, int], Endpoint] = {}
    for endpoint in endpoints:
        address = _canonical(endpoint.address)
        if address is None or endpoint.weight == 0:
            reason = Reason.INVALID_ADDRESS if address is None else Reason.MAINTENANCE
            omit(Omission(reason, endpoint.address))
            continue
        number = _number(endpoint, port, omit)
        if number is None:
            continue
        held = found.get((address, number))
        if held is None or _RANK[endpoint.state] < _RANK[held.state]:
            found[address, number] = endpoint
        if held is not None:
            omit(Omission(Reason.DUPLICATE_LOSER, _written(address, number)))
    return [(address, number, endpoint) for (address, number), endpoint in found.items()]


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
    omit(Omission(Reason.PORT_NAME_MISMATCH, endpoint.address, f"no port {port.name!r}"))
    return None


def _written(address: str, number: int) -> str:
    return f"[{address}]:{number}" if ":" in address else f"{address}:{number}"


@lru_cache(maxsize=1 << 18)
def _canonical(address: str) -> str | None:
    """An IP address as EDS needs it, or None: a host name makes Envoy refuse the whole response."""
    if _IPV4.fullmatch(address):
        return address
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return None
    return None if "%" in address else str(ip)


@lru_cache(maxsize=1 << 18)
def _lb_endpoint(address: str, port: int, weight: int, health: HealthStatus) -> bytes:
    """The encoded field of a LocalityLbEndpoints that holds one endpoint."""
    before, after = _around_address(len(address), port, weight, health)
    return before + address.encode() + after


@lru_cache(maxsize=1 << 16)
def _around_address(size: int, port: int, weight: int, health: HealthStatus) -> tuple[bytes, bytes]:
    """What goes before and after an address of that many characters, checked with one."""
    message = LbEndpoint(health_status=health)
    socket = message.endpoint.address.socket_address
    socket.address = "0.0.0.0"
    socket.port_value = port
    message.load_balancing_weight.value = weight
    checked(message)
    socket.ClearField("address")
    number = socket.SerializeToString(deterministic=True)
    message.ClearField("endpoint")
    rest = message.SerializeToString(deterministic=True)
    place = bytes(size)  # no head of a field holds a zero, so the first zeros are these
    located = wire.delimited(_SOCKET_ADDRESS, wire.delimited(_ADDRESS, place) + number)
    endpoint = wire.delimited(_ENDPOINT, wire.delimited(_ENDPOINT_ADDRESS, located))
    before, _, after = wire.delimited(_LB_ENDPOINTS, endpoint + rest).partition(place)
    return before, after


@lru_cache(maxsize=1 << 16)
def _locality_head(locality: Locality, weight: int, priority: int) -> bytes:
    """A LocalityLbEndpoints without its endpoints. gRPC wants a locality and a weight in each."""
    message = LocalityLbEndpoints(priority=priority)
    message.locality.SetInParent()
    message.locality.region = locality.region
    message.locality.zone = locality.zone
    message.locality.sub_zone = locality.sub_zone
    message.load_balancing_weight.value = weight
    return checked(message)


@lru_cache(maxsize=1 << 16)
def _header(name: str) -> bytes:
    return checked(ClusterLoadAssignment(cluster_name=name))
