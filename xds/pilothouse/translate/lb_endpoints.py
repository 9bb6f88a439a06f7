"""LbEndpoint: one endpoint, encoded as the field of a LocalityLbEndpoints that it becomes."""

from __future__ import annotations

from functools import lru_cache

from pilothouse import wire
from pilothouse._pb.envoy.config.core.v3.health_check_pb2 import HealthStatus
from pilothouse._pb.envoy.config.endpoint.v3.endpoint_components_pb2 import LbEndpoint
from pilothouse.resources import checked

# Field numbers: LocalityLbEndpoints.lb_endpoints, LbEndpoint.endpoint, Endpoint.address,
# Address.socket_address, SocketAddress.address.
_LB_ENDPOINTS, _ENDPOINT, _ENDPOINT_ADDRESS, _SOCKET_ADDRESS, _ADDRESS = 2, 1, 1, 1, 2


@lru_cache(maxsize=1 << 18)
def lb_endpoint(address: str, port: int, weight: int, health: HealthStatus, other: str = "") -> bytes:
    """The encoded field of a LocalityLbEndpoints that holds one endpoint, with both its addresses."""
    if other:
        return _of_two_addresses(address, other, port, weight, health)
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


def _of_two_addresses(address: str, other: str, port: int, weight: int, health: HealthStatus) -> bytes:
    message = LbEndpoint(health_status=health)
    message.load_balancing_weight.value = weight
    also = message.endpoint.additional_addresses.add()
    for place, text in ((message.endpoint.address, address), (also.address, other)):
        place.socket_address.address = text
        place.socket_address.port_value = port
    return wire.delimited(_LB_ENDPOINTS, checked(message))
