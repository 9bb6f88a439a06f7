"""Which names outside of the mesh a sidecar is sent to, and which it is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.audience import ANYWHERE, Capture, Dialect
from pilothouse.mesh.claims import Claims
from pilothouse.mesh.dependencies import Dependencies
from pilothouse.mesh.external import external
from pilothouse.mesh.visibility import Scope
from pilothouse.model.addresses import is_public
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import Endpoint, Port, Service, ServiceName, ServiceSpec
from pilothouse.serving.changes import Change, affected

CLUSTER = "outbound|80||partner.shop.svc.cluster.local"


def partner(target: str, *ports: Port) -> ServiceSpec:
    name = ServiceName("shop", "partner")
    return ServiceSpec(name, ports or (Port("http", 80),), external_name=target)


@pytest.mark.parametrize(
    "name", ["example.com", "8.8.8.8", "a", "1.example", "x.local", "localhost.a.b", "a.localdomain"]
)
def test_names_of_elsewhere_are_public(name: str) -> None:
    assert is_public(name)


@pytest.mark.parametrize(
    "name",
    [
        "localhost",
        "a.localhost",
        "localhost.localdomain",
        "localhost6.localdomain",
        "ip6-loopback",
        "127.0.0.1",
        "127.9.9.9",
        "127.1",
        "0x7f000001",
        "2130706433",
        "0.0.0.0",
        "169.254.169.254",
        "10.96.0.1",
        "192.168.0.1",
        "172.16.0.1",
        "224.0.0.1",
        "255.255.255.255",
    ],
)
def test_names_of_the_own_machine_or_network_are_not(name: str) -> None:
    assert not is_public(name)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("later.shop.svc.cluster.local", Reason.UNKNOWN_TARGET),
        ("kube-dns.cluster.local", Reason.UNKNOWN_TARGET),
        ("payments.shop.svc", Reason.UNKNOWN_TARGET),
        ("127.0.0.1", Reason.REFUSED_NAME),
    ],
)
def test_what_is_not_called_has_a_reason(town: Any, target: str, reason: Reason) -> None:
    spec = partner(target)
    assert external(spec).reason is reason
    town.put(Service(spec))
    assert [omission.reason for omission in town.catalogue.omissions(Service(spec))] == [reason]
    assert town.catalogue.clusters(Scope()).resources == {}


def test_an_operator_can_refuse_all_but_aliases() -> None:
    claims = Claims(external_names=False)
    outside, name = partner("example.com"), ServiceName("data", "store")
    known = ServiceSpec(name, (Port("http", 80),))
    claims.stake(known)
    assert claims.resolve(outside).answering is None
    assert [omission.reason for omission in claims.resolve(outside).omissions] == [Reason.REFUSED_NAME]
    assert claims.resolve(partner(known.hostname)).answering == known


def test_without_ports_there_is_nothing_to_call() -> None:
    name = ServiceName("shop", "partner")
    spec = ServiceSpec(name, external_name="example.com")
    assert external(spec) == Omission(Reason.NO_PORTS, "shop/partner")


def test_aliases_in_a_circle_have_a_reason(town: Any) -> None:
    spec = partner("partner.shop.svc.cluster.local")
    town.put(Service(spec))
    assert [omission.reason for omission in town.catalogue.omissions(Service(spec))] == [Reason.ALIAS_LOOP]


def test_an_external_name_has_a_cluster_of_its_own_and_no_load_assignment(town: Any) -> None:
    town.put(Service(partner("example.com")))
    assert town.catalogue.clusters(Scope()).resources.keys() == {CLUSTER}
    assert town.catalogue.load_assignment(Scope(), ANYWHERE, CLUSTER) is None
    routes = town.catalogue.routes(Scope(namespace="shop"), Capture.PROXY).resources["egress"].any
    assert b"example.com" in routes
    assert town.catalogue.omissions(Service(partner("example.com"))) == ()


def test_an_alias_of_an_external_name_leads_there(town: Any) -> None:
    alias = ServiceSpec(
        ServiceName("front", "out"),
        external_name="partner.shop.svc.cluster.local",
    )
    town.put(Service(partner("example.com")), Service(alias))
    only_alias = Scope(Dependencies(frozenset({alias.name})))
    assert town.catalogue.clusters(only_alias).resources.keys() == {CLUSTER}


def test_a_service_takes_the_place_of_an_external_name(town: Any) -> None:
    town.put(Service(partner("example.com")))
    spec = ServiceSpec(ServiceName("shop", "partner"), (Port("http", 80),))
    town.put(Service(spec, (Endpoint("10.0.0.1", (("http", 80),)),)))
    assert town.catalogue.load_assignment(Scope(), ANYWHERE, CLUSTER) is not None


def test_a_grpc_client_is_told_when_the_target_of_an_alias_comes_changes_and_goes(
    town: Any, make_service: Callable[..., Service]
) -> None:
    """It dials the alias, which has no cluster of its own."""
    alias = make_service("shop/alias", ports=(), external_name="payments.shop.svc.cluster.local")
    town.put(alias)

    def told(changes: list[Change]) -> set[str]:
        names = affected(changes, Scope(namespace="shop"), Dialect.GRPC).get(
            ResourceType.LISTENER, frozenset()
        )
        return {name for name in names if name.startswith("alias.shop:")}

    assert told(town.put(make_service("shop/payments", "10.0.0.1"))) == {"alias.shop:8080"}
    assert told(town.put(make_service("shop/payments", "10.0.0.2"))) == set()
    other = make_service("shop/payments", ports=(Port("http", 9090),))
    assert told(town.put(other)) == {"alias.shop:8080", "alias.shop:9090"}
    assert told(town.remove(other.name)) == {"alias.shop:9090"}
