"""The examples do what their texts say."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from pilothouse import app
from pilothouse.config.settings import Settings
from pilothouse.model.services import ServiceName
from pilothouse.structures.hostport import HostPort

FIRST = {"shop/payments": ["10.0.0.1:8080", "10.0.0.2:8081"]}


async def test_the_source_reports_what_it_reads_and_each_change_once(
    phonebook, document: str, write, running, eventually
) -> None:
    write(FIRST)
    source = phonebook.Phonebook(document, every_s=0.01)
    async with running(source) as sink:
        await eventually(lambda: sink.reports)
        payments = sink.services[ServiceName("shop", "payments")]
        assert payments.spec.hostname == "payments.shop.svc.cluster.local"
        assert [(one.address, dict(one.ports)) for one in payments.endpoints] == [
            ("10.0.0.1", {"http": 8080}),
            ("10.0.0.2", {"http": 8081}),
        ]
        write(FIRST | {"shop/orders": ["10.0.1.1:80"]})
        await eventually(lambda: sink.addresses("orders") == ["10.0.1.1"])
    assert len(sink.reports) == 2


async def test_the_source_reads_at_once_when_it_is_asked_to(
    phonebook, document: str, write, running, eventually
) -> None:
    write(FIRST)
    source = phonebook.Phonebook(document, every_s=3600)
    async with running(source) as sink:
        await eventually(lambda: sink.reports)
        write({})
        source.reread()
        await eventually(lambda: not sink.services)


async def test_a_control_plane_serves_the_source_and_keeps_its_last_report(
    phonebook, document: str, write, tmp_path: Path, eventually
) -> None:
    anywhere = HostPort("127.0.0.1", 0)
    settings = Settings(xds=anywhere, admin=anywhere)
    ports: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
    write(FIRST)
    source = phonebook.Phonebook(document, every_s=0.01)
    serving = app.run(settings, [source], lambda xds, admin: ports.set_result((xds, admin)))
    task = asyncio.create_task(serving)
    try:
        _, admin = await asyncio.wait_for(ports, 30)
        url = f"http://127.0.0.1:{admin}/readyz"
        async with httpx.AsyncClient(trust_env=False, verify=False) as client:

            async def state() -> dict[str, Any]:
                (found,) = (await client.get(url)).json()["sources"]
                return found

            async def stale() -> bool:
                return (await state())["stale"]

            assert (await state())["services"] == 1
            write("not JSON")
            await eventually(stale)
            assert (await state())["services"] == 1
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def test_the_document_beside_the_source_can_be_read(phonebook, project: Path) -> None:
    found = phonebook.services(phonebook.read(str(project / "examples/source/phonebook.json")))
    assert [str(service.name) for service in found] == ["shop/orders", "shop/payments"]


def test_the_mesh_has_three_services_and_no_fault(pilothouse, project: Path) -> None:
    outcome = pilothouse("validate", project / "examples/mesh/manifests")
    assert (outcome.status, outcome.err) == (0, "")
    *left_out, summary = outcome.out.splitlines()
    assert "no faults, no warnings, " in summary
    assert [line.endswith("[not-ready]") for line in left_out] == [True]
