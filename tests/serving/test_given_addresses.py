"""ExternalNames that were given a virtual IP have listeners there, as other services have."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from google.protobuf.any_pb2 import Any

from pilothouse._pb.envoy.config.listener.v3.listener_pb2 import Listener
from pilothouse._pb.envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.audience import Audience
from pilothouse.model.reasons import Reason
from pilothouse.model.services import Port, Protocol, Service
from pilothouse.serving.world import World

Make = Callable[..., Service]
TCP = (Port("tcp", 5432, Protocol.TCP),)
VIPS = ("240.240.0.1", "2001:2::1")


def proxied(town, name: str) -> str | None:
    """The cluster that a listener leads to."""
    found = World(town.catalogue, Audience("shop")).selection(ResourceType.LISTENER).resources.get(name)
    if found is None:
        return None
    listener, proxy = Listener.FromString(Any.FromString(found.any).value), TcpProxy()
    listener.filter_chains[0].filters[-1].typed_config.Unpack(proxy)
    return proxy.cluster


@pytest.mark.parametrize("vip", VIPS)
def test_one_that_leads_out_of_the_mesh_has_a_listener_at_each_address(town, make_service: Make, vip) -> None:
    town.put(make_service("shop/db", ports=TCP, external_name="db.example.com", vips=VIPS))
    assert proxied(town, f"{vip}_5432") == "outbound|5432||db.shop.svc.cluster.local"


def test_an_address_that_another_service_has_is_left_out(town, make_service: Make) -> None:
    older = make_service("shop/pay", ports=TCP, vips=VIPS[:1], created="2026-01-01T00:00:00Z")
    db = make_service("shop/db", ports=TCP, external_name="db.example.com", vips=VIPS)
    town.put(db, older)
    assert proxied(town, f"{VIPS[0]}_5432") == "outbound|5432||pay.shop.svc.cluster.local"
    assert proxied(town, f"{VIPS[1]}_5432") == "outbound|5432||db.shop.svc.cluster.local"
    assert town.catalogue.resolve(db.spec).spec.vips == VIPS[1:], "Envoy would refuse two listeners there"
    omissions = town.catalogue.omissions(db, Audience("shop"))
    assert [each.what for each in omissions if each.reason is Reason.VIP_TAKEN] == [VIPS[0]]
    town.remove(older.name)
    assert proxied(town, f"{VIPS[0]}_5432") == "outbound|5432||db.shop.svc.cluster.local"


def test_an_alias_of_a_service_in_another_domain_leads_there(town, make_service: Make) -> None:
    target = make_service("shop/pay", "10.0.0.1", ports=TCP, cluster_domain="other.example")
    alias = make_service("shop/db", ports=TCP, external_name="pay.shop.svc.other.example", vips=VIPS)
    town.put(target, alias)
    assert proxied(town, f"{VIPS[0]}_5432") == "outbound|5432||pay.shop.svc.other.example"
