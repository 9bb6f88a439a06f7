"""Where a client's application calls comes before the virtual IPs of services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.audience import Address, Audience, Capture
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import Port, Protocol, Service
from pilothouse.serving.world import World

Make = Callable[..., Service]


@pytest.mark.parametrize(
    ("capture", "port", "left_out"),
    [
        (Capture.VIP, Port("http", 8080), True),
        (Capture.VIP, Port("tcp", 8080, Protocol.TCP), True),
        (Capture.PROXY, Port("tcp", 8080, Protocol.TCP), True),
        (Capture.PROXY, Port("http", 8080), False),  # it has no listener of its own
        (Capture.VIP, Port("http", 8081), False),
    ],
)
def test_a_virtual_ip_at_a_clients_egress_address_has_no_listener_there(
    town: Any, make_service: Make, capture: Capture, port: Port, left_out: bool
) -> None:
    service = make_service("shop/payments", "10.0.0.1", vips=("10.96.0.1", "10.96.0.2"), ports=(port,))
    town.put(service)
    here, elsewhere = (
        Audience(egress=Address(host, 8080), capture=capture) for host in ("10.96.0.1", "127.0.0.1")
    )

    def listeners(client: Audience) -> set[str]:
        return set(World(town.catalogue, client).selection(ResourceType.LISTENER).resources)

    taken = {f"10.96.0.1_{port.number}"} if left_out else set()
    assert "egress" in listeners(here)
    assert listeners(elsewhere) - listeners(here) == taken
    reasons = town.catalogue.omissions(service, here)
    assert (Omission(Reason.EGRESS_ADDRESS, "10.96.0.1_8080") in reasons) is left_out
    assert Reason.EGRESS_ADDRESS not in {each.reason for each in town.catalogue.omissions(service, elsewhere)}
