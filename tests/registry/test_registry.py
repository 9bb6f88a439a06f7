import asyncio
from collections.abc import Awaitable, Callable

from pilothouse.model.services import Service, ServiceName
from pilothouse.registry.merged import Registry
from pilothouse.sources import NOTHING, Unknown

Make = Callable[..., Service]
Eventually = Callable[..., Awaitable[object]]
PAYMENTS = ServiceName("shop", "payments")


def twenty(make_service: Make) -> list[Service]:
    """Services, each with an endpoint of its own: enough for a loss of all to be massive."""
    return [make_service(f"shop/s{number}", f"10.0.0.{number + 1}") for number in range(20)]


async def taken(registry: Registry) -> frozenset[ServiceName]:
    async with asyncio.timeout(1):
        return await registry.changed.take()


async def test_it_is_synced_when_every_source_has_reported_even_nothing() -> None:
    registry = Registry(["one", "other"])
    waiting = asyncio.create_task(registry.until_synced())
    registry.shard("one").replace([])
    assert registry.unsynced == {"other"}
    registry.shard("other").replace([])
    await asyncio.wait_for(waiting, 1)


async def test_a_report_marks_only_what_differs(make_service: Make) -> None:
    registry = Registry(["files"])
    shard = registry.shard("files")
    shard.replace([make_service("shop/payments", "10.0.0.1"), make_service("shop/carts", "10.0.0.2")])
    await taken(registry)
    shard.replace([make_service("shop/payments", "10.0.0.9"), make_service("shop/carts", "10.0.0.2")])
    assert await taken(registry) == {PAYMENTS}


async def test_the_same_again_marks_nothing(make_service: Make) -> None:
    registry = Registry(["files"])
    shard = registry.shard("files")
    shard.put(make_service("shop/payments", "10.0.0.1"))
    await taken(registry)
    shard.put(make_service("shop/payments", "10.0.0.1"))
    shard.remove(ServiceName("shop", "unknown"))
    shard.put(make_service("shop/carts"))
    assert await taken(registry) == {ServiceName("shop", "carts")}


async def test_what_a_full_report_leaves_out_is_gone(make_service: Make) -> None:
    registry = Registry(["files"])
    shard = registry.shard("files")
    shard.replace([make_service("shop/payments")])
    shard.replace([])
    assert registry.services == {}
    assert await taken(registry) == {PAYMENTS}


async def test_the_first_source_defines_a_service_and_the_next_takes_over_when_it_is_gone(
    make_service: Make,
) -> None:
    registry = Registry(["kubernetes", "files"])
    ours, theirs = make_service("shop/payments", "10.0.0.1"), make_service("shop/payments", "10.0.0.2")
    registry.shard("files").put(theirs)
    registry.shard("kubernetes").put(ours)
    assert registry.services[PAYMENTS] == ours
    registry.shard("kubernetes").remove(PAYMENTS)
    assert registry.services[PAYMENTS] == theirs


async def test_changes_while_nobody_looks_are_taken_together(make_service: Make) -> None:
    registry = Registry(["files"])
    shard = registry.shard("files")
    for address in ("10.0.0.1", "10.0.0.2"):
        shard.put(make_service("shop/payments", address))
    shard.put(make_service("shop/carts"))
    assert await taken(registry) == {PAYMENTS, ServiceName("shop", "carts")}


async def test_a_massive_loss_that_nobody_stated_is_held_until_it_has_lasted(
    make_service: Make, eventually: Eventually
) -> None:
    registry = Registry(["files"], hold_s=0.2)
    shard = registry.shard("files")
    services = twenty(make_service)
    shard.replace(services)
    shard.replace([])
    hold = registry.held("files")
    assert hold is not None
    assert (len(hold.names), hold.endpoints, len(registry.services)) == (20, 20, 20)
    await eventually(lambda: not registry.services)
    assert registry.held("files") is None


async def test_a_hold_ends_when_everything_is_back(make_service: Make) -> None:
    registry = Registry(["files"])
    shard = registry.shard("files")
    services = twenty(make_service)
    shard.replace(services)
    shard.replace([])
    for service in services:
        assert registry.held("files") is not None
        shard.put(service)
    assert registry.held("files") is None
    shard.replace([])
    shard.replace(services)
    assert registry.held("files") is None


async def test_an_explicit_removal_is_honoured_while_a_loss_is_held(make_service: Make) -> None:
    registry = Registry(["files"])
    shard = registry.shard("files")
    services = twenty(make_service)
    shard.replace(services)
    shard.replace([])
    shard.remove(services[0].name)
    assert services[0].name not in registry.services
    assert len(registry.services) == 19


async def test_what_is_restored_is_in_force_and_no_report(make_service: Make) -> None:
    registry = Registry(["files"])
    shard = registry.shard("files")
    services = twenty(make_service)
    shard.restore(services)
    assert len(registry.services) == 20
    assert registry.unsynced == {"files"}
    assert not registry.complete
    shard.replace([])  # the first report is compared with it
    assert len(registry.services) == 20
    assert registry.held("files") is not None


async def test_absence_means_absence_when_all_have_reported_and_know_everything() -> None:
    registry = Registry(["files", "other"])
    registry.shard("files").replace([])
    assert not registry.complete
    registry.shard("other").unknown(Unknown(("a.yaml",), frozenset({PAYMENTS})))
    registry.shard("other").replace([])
    assert not registry.complete
    assert registry.unknown("other").places == ("a.yaml",)
    assert registry.partial == {PAYMENTS}
    registry.shard("other").unknown(NOTHING)
    assert registry.complete
    assert await taken(registry) == frozenset()  # whoever waits for changes looks again
    assert Registry(["files"], accept_missing=True).complete


async def test_what_an_operator_accepts_as_missing_is_not_unknown_and_so_no_reason_to_be_unready() -> None:
    registry = Registry(["files"], accept_missing=True)
    registry.shard("files").unknown(Unknown(("a.yaml",), frozenset({PAYMENTS})))
    registry.shard("files").replace([])
    assert (registry.complete, registry.unknown("files"), registry.partial) == (True, NOTHING, frozenset())


async def test_a_hold_tells_only_of_what_is_still_missing(make_service: Make) -> None:
    registry = Registry(["files"])
    shard = registry.shard("files")
    services = [make_service(f"shop/s{number}", f"10.0.0.{number + 1}") for number in range(5)]
    shard.replace(services)
    shard.replace([], suspect=True)
    for service in services[:3]:
        shard.put(service)
    hold = registry.held("files")
    assert hold is not None
    assert (hold.names, hold.endpoints) == ({service.name for service in services[3:]}, 2)


def test_endpoints_are_counted_as_services_come_change_and_go(make_service: Make) -> None:
    registry = Registry(["kubernetes", "files"])
    registry.shard("files").put(make_service("shop/payments", "10.0.0.1"))
    registry.shard("files").put(make_service("shop/carts", "10.0.0.2", "10.0.0.3"))
    assert registry.endpoints == 3
    registry.shard("kubernetes").put(make_service("shop/payments"))
    assert registry.endpoints == 2
    registry.shard("files").put(make_service("shop/carts", "10.0.0.2"))
    assert registry.endpoints == 1
    registry.shard("kubernetes").remove(PAYMENTS)
    assert registry.endpoints == 2
    registry.shard("files").replace([])
    assert registry.endpoints == 0
