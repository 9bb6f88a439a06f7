from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import pytest

from pilothouse.encoding.types import TYPES, ResourceType
from pilothouse.mesh.audience import ANYWHERE, Address, Audience, Capture, Dialect, EndpointFacet
from pilothouse.mesh.dependencies import Dependencies
from pilothouse.mesh.visibility import Scope
from pilothouse.model.services import Locality, Port, Protocol, Service, ServiceName
from pilothouse.serving.changes import Change, affected
from pilothouse.serving.world import World

Make = Callable[..., Service]
ByType = Callable[[list[Change]], Mapping[str, set[str]]]
PAYMENTS = "outbound|8080||payments.shop.svc.cluster.local"
EVERYTHING = Scope()
SHOP = Scope(namespace="shop")
POISON = (Port("http", 8080), Port("bad", 70_000, Protocol.TCP))


def test_a_new_service_brings_its_cluster_endpoints_and_routes(
    town: Any, make_service: Make, names_by_type: ByType
) -> None:
    changes = town.put(make_service("shop/payments", "10.0.0.1"))
    names = {"payments.shop.svc.cluster.local"}
    assert names_by_type(changes) == {
        "CDS": {PAYMENTS},
        "EDS": {PAYMENTS},
        "RDS": {"egress"},
        "NDS": names,
    }


def test_a_changed_endpoint_changes_endpoints_only(
    town: Any, make_service: Make, names_by_type: ByType
) -> None:
    town.put(make_service("shop/payments", "10.0.0.1"), make_service("shop/carts", "10.0.0.2"))
    changes = town.put(make_service("shop/payments", "10.0.0.9"))
    assert names_by_type(changes) == {"EDS": {PAYMENTS}}


@pytest.mark.parametrize("protocol", list(Protocol))
def test_a_port_speaks_what_it_spoke_when_its_last_endpoint_goes_and_another_comes(
    town: Any, make_service: Make, names_by_type: ByType, protocol: Protocol
) -> None:
    """Another protocol would be another cluster, whose connections begin anew (2.14 of the table)."""
    ports = (Port("http", 8080, protocol),)
    town.put(make_service("shop/payments", "10.0.0.1", ports=ports))
    before = town.catalogue.clusters(EVERYTHING).versions
    for addresses in ((), ("10.0.0.9",)):
        changes = town.put(make_service("shop/payments", *addresses, ports=ports))
        assert names_by_type(changes) == {"EDS": {PAYMENTS}}
        assert town.catalogue.clusters(EVERYTHING).versions == before


def test_an_equal_service_changes_nothing(town: Any, make_service: Make) -> None:
    town.put(make_service("shop/payments", "10.0.0.1"))
    assert town.put(make_service("shop/payments", "10.0.0.1")) == []


def test_what_cannot_be_sent_changes_nothing(town: Any, make_service: Make) -> None:
    town.put(make_service("shop/payments", "10.0.0.1"))
    assert town.put(make_service("shop/payments", "10.0.0.1", "not-an-address")) == []


def test_a_removed_service_takes_everything_along(
    town: Any, make_service: Make, names_by_type: ByType
) -> None:
    town.put(
        make_service("shop/payments", "10.0.0.1", vips=("10.96.0.1",), ports=(Port("t", 5432, Protocol.TCP),))
    )
    changes = town.remove(ServiceName("shop", "payments"))
    cluster = "outbound|5432||payments.shop.svc.cluster.local"
    assert names_by_type(changes) == {
        "CDS": {cluster},
        "EDS": {cluster},
        "LDS": {"10.96.0.1_5432"},
        "NDS": {"payments.shop.svc.cluster.local"},
    }
    assert town.catalogue.clusters(EVERYTHING).resources == {}


def test_the_last_good_version_of_an_alias_leads_nowhere_when_its_target_is_gone(
    town: Any, make_service: Make
) -> None:
    host = "payments.shop.svc.cluster.local"
    alias = make_service("shop/carts", ports=(), external_name=host)
    town.put(make_service("shop/payments", "10.0.0.1"), alias)
    town.put(make_service("shop/carts", "10.0.0.2", ports=POISON, vips=("10.96.0.1",)))
    before = town.catalogue.routes(SHOP, Capture.PROXY).resources["egress"].any
    assert b"carts" in before
    town.remove(ServiceName("shop", "payments"))
    after = town.catalogue.routes(SHOP, Capture.PROXY).resources["egress"].any
    assert b"carts" not in after


def test_a_service_that_breaks_a_rule_only_when_it_inherits_a_virtual_ip_is_quarantined(
    town: Any, make_service: Make
) -> None:
    vip = ("10.96.0.1",)
    new = make_service("shop/new", "10.0.0.2", ports=POISON, vips=vip, created="2025-01-01T00:00:00Z")
    town.put(make_service("shop/old", "10.0.0.1", vips=vip, created="2024-01-01T00:00:00Z"))
    town.put(new)
    assert new.name not in town.catalogue.quarantined
    town.remove(ServiceName("shop", "old"))
    assert new.name in town.catalogue.quarantined
    assert any("new.shop" in name for name in town.catalogue.clusters(EVERYTHING).resources)


def test_one_bad_service_is_quarantined_and_the_others_flow(town: Any, make_service: Make) -> None:
    good, bad = (
        make_service("shop/carts", "10.0.0.2"),
        make_service("shop/bad", "10.0.0.1", ports=POISON, vips=("10.96.0.1",)),
    )
    changes = town.put(bad, good)
    assert [change.service.name for change in changes] == [good.name]
    assert list(town.catalogue.quarantined) == [bad.name]
    assert "port_value" in town.catalogue.quarantined[bad.name].reason


def test_the_last_good_version_stays_while_a_newer_one_is_quarantined(town: Any, make_service: Make) -> None:
    good = make_service("shop/payments", "10.0.0.1", vips=("10.96.0.1",))
    town.put(good)
    before = town.catalogue.cluster(EVERYTHING, PAYMENTS)
    town.put(make_service("shop/payments", "10.0.0.1", ports=POISON, vips=("10.96.0.1",)))
    assert town.catalogue.cluster(EVERYTHING, PAYMENTS) is before
    assert town.catalogue.quarantined.keys() == {good.name}
    town.put(make_service("shop/payments", "10.0.0.9"))
    assert town.catalogue.quarantined == {}


def test_endpoints_follow_while_the_service_is_quarantined(
    town: Any, make_service: Make, names_by_type: ByType
) -> None:
    town.put(make_service("shop/payments", "10.0.0.1", vips=("10.96.0.1",)))
    cluster = town.catalogue.cluster(EVERYTHING, PAYMENTS)
    changes = town.put(make_service("shop/payments", "10.0.0.9", ports=POISON, vips=("10.96.0.1",)))
    assert names_by_type(changes) == {"EDS": {PAYMENTS}}
    assert town.catalogue.cluster(EVERYTHING, PAYMENTS) is cluster
    assert b"10.0.0.9" in town.catalogue.load_assignment(EVERYTHING, ANYWHERE, PAYMENTS).any
    town.put(make_service("shop/payments", "10.0.0.10", ports=POISON, vips=("10.96.0.1",)))
    assert b"10.0.0.10" in town.catalogue.load_assignment(EVERYTHING, ANYWHERE, PAYMENTS).any


def test_a_service_in_quarantine_that_is_removed_leaves_it(town: Any, make_service: Make) -> None:
    town.put(make_service("shop/bad", ports=POISON, vips=("10.96.0.1",)))
    town.remove(ServiceName("shop", "bad"))
    assert town.catalogue.quarantined == {}


def test_a_virtual_ip_moves_from_the_younger_to_the_older_service(
    town: Any, make_service: Make, names_by_type: ByType
) -> None:
    tcp = (Port("tcp", 5432, Protocol.TCP),)
    town.put(make_service("shop/new", ports=tcp, vips=("10.96.0.1",), created="2025-01-01T00:00:00Z"))
    changes = town.put(
        make_service("shop/old", ports=tcp, vips=("10.96.0.1",), created="2024-01-01T00:00:00Z")
    )
    assert names_by_type(changes)["LDS"] == {"10.96.0.1_5432"}
    [listener] = [
        r
        for n, r in town.catalogue.listeners(
            EVERYTHING, Address("127.0.0.1", 1), Capture.PROXY
        ).resources.items()
        if n != "egress"
    ]
    assert b"old.shop.svc.cluster.local" in listener.any


def test_listeners_for_http_at_virtual_ips_are_for_those_who_capture(town: Any, make_service: Make) -> None:
    town.put(make_service("shop/payments", vips=("10.96.0.1",)))
    address = Address("127.0.0.1", 15001)
    assert set(town.catalogue.listeners(EVERYTHING, address, Capture.PROXY).resources) == {"egress"}
    assert set(town.catalogue.listeners(EVERYTHING, address, Capture.VIP).resources) == {
        "egress",
        "10.96.0.1_8080",
    }
    town.put(make_service("shop/carts", vips=("10.96.0.2",)))
    assert "10.96.0.2_8080" in town.catalogue.listeners(EVERYTHING, address, Capture.VIP).resources


def test_an_alias_is_routed_to_its_target_and_follows_it(
    town: Any, make_service: Make, names_by_type: ByType
) -> None:
    town.put(
        make_service("shop/blue"),
        make_service("shop/green"),
        make_service("shop/web", ports=(), external_name="blue.shop.svc.cluster.local"),
    )
    routes = town.catalogue.routes(SHOP, Capture.PROXY).resources["egress"]
    assert routes.any.count(b"outbound|8080||blue") == 2
    changes = town.put(make_service("shop/web", ports=(), external_name="green.shop.svc.cluster.local"))
    # Who sees the alias alone loses the one cluster and gains the other.
    clusters = {f"outbound|8080||{name}.shop.svc.cluster.local" for name in ("blue", "green")}
    assert names_by_type(changes) == {
        "CDS": clusters,
        "EDS": clusters,
        "RDS": {"egress"},
        "NDS": {"web.shop.svc.cluster.local"},
    }
    routes = town.catalogue.routes(SHOP, Capture.PROXY).resources["egress"]
    assert routes.any.count(b"outbound|8080||blue") == 1


def test_nothing_is_shown_that_is_out_of_scope(town: Any, make_service: Make) -> None:
    town.put(make_service("shop/payments", "10.0.0.1"), make_service("data/ledger", "10.0.0.2"))
    world = World(town.catalogue, Audience(dependencies=Dependencies(frozenset({ServiceName("data", "*")}))))
    assert world.get(ResourceType.ENDPOINTS, PAYMENTS) is None
    assert world.get(ResourceType.CLUSTER, PAYMENTS) is None
    assert list(world.selection(ResourceType.CLUSTER).resources) == [
        "outbound|8080||ledger.data.svc.cluster.local"
    ]
    assert b"payments" not in world.get(ResourceType.ROUTES, "egress").any


def test_a_change_out_of_scope_concerns_nobody(town: Any, make_service: Make) -> None:
    changes = town.put(make_service("shop/payments", "10.0.0.1"))
    assert affected(changes, Scope(Dependencies(frozenset({ServiceName("data", "*")}))), Dialect.ENVOY) == {}
    assert affected(changes, Scope(Dependencies(frozenset({ServiceName("shop", "*")}))), Dialect.ENVOY)


def test_the_same_registry_gives_the_same_versions_whatever_the_order(make_service: Make, town: Any) -> None:
    services = [make_service(f"shop/s{i}", f"10.0.0.{i}", vips=(f"10.96.0.{i}",)) for i in range(1, 6)]
    other = type(town)()
    town.put(*services)
    for service in reversed(services):
        other.put(service)
    for type_ in TYPES:
        ours, theirs = (
            World(t.catalogue, Audience("shop", locality=Locality("r1"))).selection(type_)
            for t in (town, other)
        )
        assert {n: r.version for n, r in ours.resources.items()} == {
            n: r.version for n, r in theirs.resources.items()
        }
        assert ours.sotw_body == theirs.sotw_body


def test_a_service_that_others_do_not_touch_is_not_encoded_again(town: Any, make_service: Make) -> None:
    town.put(make_service("shop/payments", "10.0.0.1"))
    cluster = town.catalogue.cluster(EVERYTHING, PAYMENTS)
    endpoints = town.catalogue.load_assignment(EVERYTHING, EndpointFacet(Locality("r1")), PAYMENTS)
    town.put(make_service("shop/carts", "10.0.0.2"))
    assert town.catalogue.cluster(EVERYTHING, PAYMENTS) is cluster
    assert town.catalogue.load_assignment(EVERYTHING, EndpointFacet(Locality("r1")), PAYMENTS) is endpoints


def test_who_depends_on_an_alias_alone_gets_the_cluster_that_it_leads_to(
    town: Any, make_service: Make
) -> None:
    target = "payments.shop.svc.cluster.local"
    only_alias = Scope(Dependencies(frozenset({ServiceName("shop", "web")})))
    town.put(make_service("shop/payments", "10.0.0.1"))
    came = town.put(make_service("shop/web", ports=(), external_name=target))
    assert affected(came, only_alias, Dialect.ENVOY)[ResourceType.CLUSTER] == {PAYMENTS}
    assert town.catalogue.clusters(only_alias).resources.keys() == {PAYMENTS}
    assert town.catalogue.load_assignment(only_alias, ANYWHERE, PAYMENTS)

    changed = town.put(make_service("shop/payments", "10.0.0.2"))
    assert affected(changed, only_alias, Dialect.ENVOY) == {ResourceType.ENDPOINTS: {PAYMENTS}}

    went = town.remove(ServiceName("shop", "web"))
    assert affected(went, only_alias, Dialect.ENVOY)[ResourceType.CLUSTER] == {PAYMENTS}
    assert not town.catalogue.clusters(only_alias).resources
    assert town.catalogue.load_assignment(only_alias, ANYWHERE, PAYMENTS) is None


def test_who_depends_on_an_alias_alone_is_not_told_the_names_of_its_target(
    town: Any, make_service: Make
) -> None:
    port = Port("t", 5432, Protocol.TCP)
    town.put(make_service("shop/web", ports=(), external_name="payments.shop.svc.cluster.local"))
    changes = town.put(make_service("shop/payments", ports=(Port("http", 8080), port), vips=("10.96.0.1",)))
    only_alias = Scope(Dependencies(frozenset({ServiceName("shop", "web")})))
    assert ResourceType.LISTENER not in affected(changes, only_alias, Dialect.ENVOY)


def test_a_client_listens_on_virtual_ips_of_its_address_families(town: Any, make_service: Make) -> None:
    ports = (Port("http", 8080), Port("tcp", 5432, Protocol.TCP))
    town.put(make_service("shop/payments", ports=ports, vips=("10.96.0.1", "fd00::1")))
    four, six = "10.96.0.1_5432", "fd00::1_5432"
    families: Any
    for families, expected in (
        ((), {four, six}),
        (("ipv4",), {four}),
        (("ipv6",), {six}),
        (("ipv6", "ipv4"), {four, six}),
    ):
        listeners = World(town.catalogue, Audience(families=families)).selection(ResourceType.LISTENER)
        assert listeners.resources.keys() == {"egress", *expected}


def test_a_client_calls_by_virtual_ips_of_its_address_families(town: Any, make_service: Make) -> None:
    town.put(make_service("shop/payments", vips=("10.96.0.1", "fd00::1")))
    families: Any
    for capture, families, expected in product(
        Capture, ((), ("ipv4",), ("ipv6",), ("ipv6", "ipv4")), [{"ipv4": b"10.96.0.1", "ipv6": b"[fd00::1]"}]
    ):
        world = World(town.catalogue, Audience(families=families, capture=capture))
        routes = world.selection(ResourceType.ROUTES).resources
        known = {family for family, vip in expected.items() if vip in routes["egress"].any}
        assert known == {*(families or expected)}
        listeners = world.selection(ResourceType.LISTENER).resources
        assert (routes.keys() == listeners.keys()) or capture is Capture.PROXY
    town.put(make_service("shop/payments", vips=("10.96.0.2", "fd00::1")))
    routes = World(town.catalogue, Audience(families=("ipv4",))).selection(ResourceType.ROUTES).resources
    assert b"10.96.0.2" in routes["egress"].any


def test_resources_are_counted_as_services_come_change_and_go(town: Any, make_service: Make) -> None:
    """The counts are kept, so each kind of change is compared with a look at everything."""

    def counted() -> list[int]:
        everything = town.catalogue.directory.all()
        found = [
            len(town.catalogue.clusters(EVERYTHING).resources),
            sum(len(translated.pools) for translated in everything),
            sum(len(translated.listeners) for translated in everything),
        ]
        assert [*town.catalogue.counts()] == found
        return found

    tcp = (Port("http", 8080), Port("db", 5432, Protocol.TCP))
    assert counted() == [0, 0, 0]
    town.put(make_service("shop/payments", "10.0.0.1", ports=tcp, vips=("10.1.0.1",)))
    assert counted() == [2, 2, 1]
    town.put(make_service("shop/carts", "10.0.0.2"))
    town.put(make_service("shop/payments", "10.0.0.1", ports=POISON, vips=("10.1.0.1",)))
    assert town.catalogue.quarantined  # the last good one counts
    assert counted() == [3, 3, 1]
    town.put(make_service("shop/payments", "10.0.0.1"))
    assert counted() == [2, 2, 0]
    services = [make_service(f"shop/s{number}", "10.0.0.1") for number in range(100)]  # by a draft
    town.put(*services)
    assert counted() == [102, 102, 0]
    for service in services:
        town.remove(service.name)
    assert counted() == [2, 2, 0]
