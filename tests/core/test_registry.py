import asyncio
from collections.abc import Callable

from pilothouse.model import Service, ServiceName
from pilothouse.registry import Registry

Make = Callable[..., Service]
PAYMENTS = ServiceName("shop", "payments")


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


async def test_a_guard_decides_what_of_a_full_report_comes_into_force(make_service: Make) -> None:
    registry = Registry(["files"], guard=lambda source, before, after: after or before)
    registry.shard("files").replace([make_service("shop/payments")])
    registry.shard("files").replace([])
    assert PAYMENTS in registry.services
    registry.shard("files").remove(PAYMENTS)  # explicit, so nobody is asked
    assert PAYMENTS not in registry.services


async def test_changes_while_nobody_looks_are_taken_together(make_service: Make) -> None:
    registry = Registry(["files"])
    shard = registry.shard("files")
    for address in ("10.0.0.1", "10.0.0.2"):
        shard.put(make_service("shop/payments", address))
    shard.put(make_service("shop/carts"))
    assert await taken(registry) == {PAYMENTS, ServiceName("shop", "carts")}
