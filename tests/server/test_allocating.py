"""Addresses come into force when the disk has them, and nobody waits for a disk that does not answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from pilothouse.mesh.addressing import wants_virtual_ip
from pilothouse.model.services import Endpoint, Port, Protocol, Service, ServiceName, ServiceSpec
from pilothouse.registry.allocation import Wish
from pilothouse.registry.merged import Registry
from pilothouse.registry.virtual_ips import VirtualIps
from pilothouse.server import allocating
from pilothouse.server.allocated import Allocations
from pilothouse.server.allocating import Allocator
from pilothouse.sources import Unknown

RANGES = [ip_network("240.240.0.0/16")]
DB, CART = ServiceName("shop", "db"), ServiceName("shop", "cart")


def service(name: ServiceName) -> Service:
    return Service(ServiceSpec(name, (Port("tcp", 5432, Protocol.TCP),)))


class Disk(Allocations):
    """One that answers only if `answers` is set."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, RANGES)
        self.answers = threading.Event()
        self.answers.set()
        self.at_work, self.most_at_work = 0, 0

    def load(self) -> Any:
        return self._slowly(super().load)

    def settle(self, *wish: Any) -> Any:
        return self._slowly(super().settle, *wish)

    def _slowly(self, work: Any, *arguments: Any) -> Any:
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        self.answers.wait(60)
        self.at_work -= 1
        return work(*arguments)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    monkeypatch.setattr(allocating, "_FIRST_PAUSE_S", 0.01)
    return Disk(tmp_path / "addresses")


@pytest.fixture
def registry() -> Registry:
    return Registry(["files"])


@pytest.fixture
async def allocator(registry: Registry, disk: Disk) -> AsyncIterator[Allocator]:
    registry.virtual_ips = VirtualIps(RANGES, wants_virtual_ip)
    found = Allocator(registry, registry.virtual_ips, disk)
    running = asyncio.create_task(found.run())
    yield found
    running.cancel()
    disk.answers.set()
    with suppress(asyncio.CancelledError):
        await running


def vips(registry: Registry, name: ServiceName = DB) -> tuple[str, ...]:
    return registry.services[name].spec.vips


async def test_what_was_reported_before_the_first_publication_has_its_address_in_it(
    registry, allocator
) -> None:
    await allocator.begin()
    registry.shard("files").replace([service(DB)])
    assert vips(registry) == ()
    await allocator.first()
    assert vips(registry) == ("240.240.0.1",)


async def test_nothing_is_given_before_all_is_reported(registry, allocator, disk) -> None:
    await allocator.begin()
    registry.shard("files").put(service(DB))
    stating = service(CART)
    stating = Service(ServiceSpec(CART, stating.spec.ports, ("240.240.0.1",)))
    registry.shard("files").replace([service(DB), stating])
    await allocator.first()
    assert (vips(registry), vips(registry, CART)) == (("240.240.0.2",), ("240.240.0.1",))


@pytest.mark.parametrize("stated", [True, False])
async def test_a_network_that_services_have_addresses_of_is_a_warning(
    registry, allocator, eventually, stated: bool
) -> None:
    await allocator.begin()
    spec = ServiceSpec(CART, vips=("240.240.9.9",) if stated else ())
    endpoint = Endpoint("10.0.0.1" if stated else "240.240.9.9", ())
    with capture_logs() as logs:
        registry.shard("files").replace([service(DB), Service(spec, (endpoint,))])
        await allocator.first()
        await eventually(lambda: logs)
        registry.shard("files").put(Service(spec))
    said = {"network": "240.240.0.0/16", "service": "shop/cart", "address": "240.240.9.9"}
    assert [{key: each[key] for key in said} for each in logs] == [said]
    assert vips(registry) == ("240.240.0.1",)


async def test_a_disk_that_hangs_delays_addresses_and_nothing_else(
    registry, allocator, disk, monkeypatch, eventually
) -> None:
    monkeypatch.setattr(allocating, "_PATIENCE_S", 0.05)
    disk.answers.clear()
    with capture_logs() as logs:
        await allocator.begin()
        registry.shard("files").replace([service(DB)])
        await allocator.first()
        await eventually(lambda: registry.services[DB].left_out)
    (why,) = registry.services[DB].left_out
    assert "no answer within" in why.why
    assert {each["event"] for each in logs} == {"virtual IPs cannot be kept"}
    assert vips(registry) == ()
    disk.answers.set()
    await eventually(lambda: vips(registry) == ("240.240.0.1",))
    assert registry.services[DB].left_out == ()
    assert disk.most_at_work == 1, "one does not begin before the other has ended"


async def test_a_disk_that_is_back_has_what_it_had(
    registry, allocator, disk, tmp_path: Path, monkeypatch, eventually
) -> None:
    monkeypatch.setattr(allocating, "_PATIENCE_S", 0.05)
    earlier = Allocations(tmp_path / "addresses", RANGES)
    earlier.settle(Wish((CART, DB)))
    disk.answers.clear()
    await allocator.begin()
    registry.shard("files").replace([service(DB)])
    await allocator.first()
    disk.answers.set()
    await eventually(lambda: vips(registry) == ("240.240.0.2",))


async def test_an_address_that_is_kept_for_another_service_goes_there(
    registry, allocator, disk, tmp_path: Path, eventually
) -> None:
    await allocator.begin()
    registry.shard("files").replace([service(DB)])
    await allocator.first()
    assert vips(registry) == ("240.240.0.1",)
    other = Allocations(tmp_path / "other", RANGES)
    other.settle(Wish([CART]))
    disk.file.write_bytes(other.file.read_bytes())
    with capture_logs() as logs:
        registry.shard("files").put(service(CART))
        await eventually(lambda: vips(registry, CART) == ("240.240.0.1",))
        await eventually(lambda: vips(registry) == ("240.240.0.2",))
    taken = "a virtual IP is taken away: it is kept for another service"
    assert [each["service"] for each in logs if each["event"] == taken] == ["shop/db"]


async def test_what_is_not_reported_is_given_back_once_nothing_is_unknown(
    registry, allocator, disk, tmp_path: Path, eventually
) -> None:
    earlier = Allocations(tmp_path / "addresses", RANGES)
    earlier.settle(Wish((CART, DB)))
    await allocator.begin()
    shard = registry.shard("files")
    shard.unknown(Unknown(("db.yaml",)))
    shard.replace([])
    await allocator.first()
    assert len(Allocations(tmp_path / "addresses", RANGES).load()) == 2
    shard.put(service(DB))
    shard.unknown(Unknown())
    registry.virtual_ips.unsettled.touch()
    await eventually(lambda: [*Allocations(tmp_path / "addresses", RANGES).load()] == [DB])
    assert vips(registry) == ("240.240.0.2",)
