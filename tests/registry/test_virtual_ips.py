"""Virtual IPs that services were given, as everybody reads them from the registry."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from pilothouse.mesh.addressing import wants_virtual_ip
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import Endpoint, Port, Protocol, Service, ServiceName, ServiceSpec
from pilothouse.registry.merged import Registry
from pilothouse.registry.virtual_ips import Given, VirtualIps
from pilothouse.sources import Cause

RANGE, SIX = ip_network("240.240.0.0/16"), ip_network("2001:2::/48")
DB, CART = ServiceName("shop", "db"), ServiceName("shop", "cart")
TCP = (Port("tcp", 5432, Protocol.TCP),)
FIRST, SECOND = "240.240.0.1", "240.240.0.2"


def service(name: ServiceName, *endpoints: str, **more) -> Service:
    spec = ServiceSpec(name, **({"ports": TCP} | more))
    return Service(spec, tuple(Endpoint(each, (("tcp", 5432),)) for each in endpoints))


@pytest.fixture
def virtual_ips() -> VirtualIps:
    return VirtualIps([RANGE], wants_virtual_ip)


@pytest.fixture
def registry(virtual_ips: VirtualIps) -> Registry:
    found = Registry(["files", "cluster"])
    found.virtual_ips = virtual_ips
    return found


def settle(registry: Registry, given: dict[ServiceName, Given]) -> None:
    assert registry.virtual_ips is not None
    registry.readdressed(registry.virtual_ips.settle(given), Cause("given"))


def vips(registry: Registry, name: ServiceName) -> tuple[str, ...]:
    return registry.services[name].spec.vips


async def test_a_service_is_there_before_it_has_an_address_and_changes_when_it_gets_one(registry) -> None:
    shard = registry.shard("files")
    shard.replace([service(DB, "10.0.0.1")])
    assert vips(registry, DB) == ()
    assert await registry.virtual_ips.unsettled.take() == {DB}
    await registry.changed.take()
    settle(registry, {DB: Given((FIRST,))})
    assert vips(registry, DB) == (FIRST,)
    assert await registry.changed.take() == {DB}
    assert registry.revisions.recent[-1].source == "virtual-ips"
    assert registry.declared(DB).source == "files", "an address declares nothing"


def test_what_was_given_in_an_earlier_process_is_in_force_at_once(registry, virtual_ips) -> None:
    virtual_ips.restore({DB: (FIRST,)})
    registry.shard("files").put(service(DB))
    assert vips(registry, DB) == (FIRST,)
    assert virtual_ips.wish([DB]).wanted == [DB]
    assert virtual_ips.absent() == []


def test_endpoints_that_come_and_go_leave_the_spec_the_same_object(registry, virtual_ips) -> None:
    virtual_ips.restore({DB: (FIRST,)})
    shard, reported = registry.shard("files"), service(DB, "10.0.0.1")
    shard.put(reported)
    before = registry.services[DB]
    shard.put(Service(reported.spec, (Endpoint("10.0.0.2", (("tcp", 5432),)),)))
    assert registry.services[DB].spec is before.spec
    assert registry.services[DB].endpoints[0].address == "10.0.0.2"
    before = registry.services[DB]
    registry.readdressed([DB], Cause("again"))
    assert registry.services[DB] is before


def test_what_needs_no_address_is_the_object_that_was_reported(registry) -> None:
    reported = service(CART, ports=(Port("http", 80),))
    registry.shard("files").put(reported)
    assert registry.services[CART] is reported


def test_vip_user_conflict_the_address_leaves_the_other_service_in_the_same_change(
    registry, virtual_ips
) -> None:
    virtual_ips.restore({DB: (FIRST,)})
    shard = registry.shard("files")
    shard.put(service(DB))
    shard.put(service(CART, vips=(FIRST,)))
    assert (vips(registry, DB), vips(registry, CART)) == ((), (FIRST,))
    assert virtual_ips.wish([DB]) == ([DB], [], {FIRST})
    settle(registry, {DB: Given((SECOND,))})
    assert (vips(registry, DB), vips(registry, CART)) == ((SECOND,), (FIRST,))
    shard.remove(CART)
    assert virtual_ips.stated == {}
    assert vips(registry, DB) == (SECOND,), "it is not moved back"


def test_vip_exhausted_a_service_says_why_it_has_none(registry) -> None:
    registry.shard("files").put(service(DB))
    settle(registry, {DB: Given((), "no address of 240.240.0.0/16 is free")})
    why = Omission(Reason.VIP_NOT_GIVEN, "shop/db", "no address of 240.240.0.0/16 is free")
    assert registry.services[DB].left_out == (why,)
    assert registry.virtual_ips.lacking() == [DB]
    settle(registry, {DB: Given((FIRST,))})
    assert registry.services[DB].left_out == ()
    assert registry.virtual_ips.lacking() == []


async def test_a_service_that_is_removed_gives_its_address_back(registry, virtual_ips) -> None:
    virtual_ips.restore({DB: (FIRST,)})
    shard = registry.shard("files")
    shard.put(service(DB))
    shard.remove(DB)
    assert await virtual_ips.unsettled.take() == {DB}
    assert virtual_ips.wish([DB]).gone == [DB]
    shard.put(service(DB))  # before it is given back on the disk
    assert vips(registry, DB) == (FIRST,)
    settle(registry, {DB: Given()})
    assert vips(registry, DB) == (FIRST,), "nobody else can have got it"
    assert await virtual_ips.unsettled.take() == {DB}
    assert virtual_ips.wish([DB]).wanted == [DB]


async def test_a_service_that_is_gone_before_it_has_its_address_gives_it_back(registry, virtual_ips) -> None:
    shard = registry.shard("files")
    shard.put(service(DB))
    await virtual_ips.unsettled.take()
    shard.remove(DB)
    await virtual_ips.unsettled.take()
    settle(registry, {DB: Given((FIRST,))})
    assert await virtual_ips.unsettled.take() == {DB}
    assert virtual_ips.wish([DB]).gone == [DB]


@pytest.mark.parametrize("more", [{"headless": True}, {"vips": ("10.96.0.1",)}, {"addressable": False}])
async def test_a_service_that_needs_an_address_no_more_gives_it_back(registry, virtual_ips, more) -> None:
    virtual_ips.restore({DB: (FIRST,)})
    shard = registry.shard("files")
    shard.put(service(DB))
    shard.put(service(DB, **more))
    assert vips(registry, DB) == more.get("vips", ())
    assert virtual_ips.wish(await virtual_ips.unsettled.take()).gone == [DB]


def test_one_that_no_source_has_reported_keeps_its_address_until_somebody_asks(registry, virtual_ips) -> None:
    virtual_ips.restore({DB: (FIRST,)})
    registry.shard("files").replace([])
    assert virtual_ips.unsettled._keys == set()
    assert not registry.complete
    assert virtual_ips.absent() == [DB]
    registry.shard("cluster").replace([service(DB)])
    assert virtual_ips.absent() == []
    assert vips(registry, DB) == (FIRST,)


async def test_no_address_is_two_services_whatever_is_kept(registry, virtual_ips) -> None:
    virtual_ips.restore({DB: (FIRST,)})
    shard = registry.shard("files")
    shard.replace([service(DB), service(CART)])
    await virtual_ips.unsettled.take()
    settle(registry, {CART: Given((FIRST,))})
    assert (vips(registry, DB), vips(registry, CART)) == ((), (FIRST,))
    assert await virtual_ips.unsettled.take() == {DB}
    settle(registry, {DB: Given((SECOND,))})
    assert (vips(registry, DB), vips(registry, CART)) == ((SECOND,), (FIRST,))


def test_without_any_given_none_is_better_than_a_wrong_one(virtual_ips) -> None:
    virtual_ips.restore({DB: (FIRST,)})
    assert virtual_ips.without([DB, CART], "no disk") == {DB: Given((FIRST,)), CART: Given((), "no disk")}


def test_a_what_if_shows_an_address_and_gives_none(registry, virtual_ips) -> None:
    virtual_ips.restore({DB: (FIRST,)})
    registry.shard("files").put(service(DB))
    pay = ServiceName("shop", "pay")
    found = registry.supposing("files", {CART: service(CART), pay: service(pay), DB: None})
    assert found[DB] is None
    assert [found[each].spec.vips for each in (CART, pay)] == [(SECOND,), ("240.240.0.3",)]
    again = registry.supposing("files", {DB: service(DB)})
    assert again[DB] == registry.services[DB]
    assert virtual_ips.unsettled._keys == set()


def test_a_service_gets_one_of_each_family() -> None:
    registry = Registry(["files"])
    registry.virtual_ips = VirtualIps([RANGE, SIX], wants_virtual_ip)
    registry.virtual_ips.restore({DB: (FIRST,)})
    registry.shard("files").put(service(DB))
    assert vips(registry, DB) == (FIRST,)
    assert registry.virtual_ips.unsettled._keys == {DB}, "the other one is new"
    settle(registry, {DB: Given((FIRST, "2001:2::1"))})
    assert vips(registry, DB) == (FIRST, "2001:2::1")
