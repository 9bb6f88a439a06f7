"""LbEndpoint: one endpoint, encoded as a field of LocalityLbEndpoints."""

from __future__ import annotations

from functools import lru_cache

from pilothouse._pb.envoy.config.core.v3.health_check_pb2 import HealthStatus
from pilothouse._pb.envoy.config.endpoint.v3.endpoint_components_pb2 import LbEndpoint
from pilothouse.encoding import wire
from pilothouse.encoding.resources import checked
from pilothouse.model.routing import Labels
from pilothouse.translate.subsets import described

# Field numbers: LocalityLbEndpoints.lb_endpoints, LbEndpoint.endpoint, Endpoint.address,
# Address.socket_address, SocketAddress.address.
_LB_ENDPOINTS, _ENDPOINT, _ENDPOINT_ADDRESS, _SOCKET_ADDRESS, _ADDRESS = 2, 1, 1, 1, 2


@lru_cache(maxsize=1 << 18)
def lb_endpoint(  # noqa: PLR0913  (everything that an endpoint has)
    address: str,
    port: int,
    weight: int,
    health: HealthStatus,
    other: str = "",
    hostname: str = "",
    labels: Labels = (),
) -> bytes:
    """The encoded field of LocalityLbEndpoints with one endpoint. `other` is its address of the other family.

    Routes can choose the endpoint by its host name and its labels (`subsets`).
    """
    if other or hostname or labels:
        message = _plain(address, port, weight, health)
        if other:
            also = message.endpoint.additional_addresses.add().address.socket_address
            also.address, also.port_value = other, port
        if hostname or labels:
            message.metadata.CopyFrom(described(hostname, labels))
            message.endpoint.hostname = hostname
        return wire.delimited(_LB_ENDPOINTS, checked(message))
    before, after = _around_address(len(address), port, weight, health)
    return before + address.encode() + after


@lru_cache(maxsize=1 << 16)
def _around_address(size: int, port: int, weight: int, health: HealthStatus) -> tuple[bytes, bytes]:
    """The bytes before and after an address of `size` characters. Checked with a sample address."""
    message = _plain("0.0.0.0", port, weight, health)
    socket = message.endpoint.address.socket_address
    checked(message)
    socket.ClearField("address")
    number = socket.SerializeToString(deterministic=True)
    message.ClearField("endpoint")
    rest = message.SerializeToString(deterministic=True)
    place = bytes(size)  # no field head contains a zero byte, so the first zeros are these
    located = wire.delimited(_SOCKET_ADDRESS, wire.delimited(_ADDRESS, place) + number)
    endpoint = wire.delimited(_ENDPOINT, wire.delimited(_ENDPOINT_ADDRESS, located))
    before, _, after = wire.delimited(_LB_ENDPOINTS, endpoint + rest).partition(place)
    return before, after


def _plain(address: str, port: int, weight: int, health: HealthStatus) -> LbEndpoint:
    message = LbEndpoint(health_status=health)
    message.load_balancing_weight.value = weight
    message.endpoint.address.socket_address.address = address
    message.endpoint.address.socket_address.port_value = port
    return message
