"""Orders over the API without a network: who may give them, what is wrong with them, and what they do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from pilothouse.admin.access.rules import Terms
from pilothouse.admin.api.openapi import document
from pilothouse.admin.api.orders import COMMANDS
from pilothouse.admin.api.pages import PREFIX
from pilothouse.admin.orders import keeping
from pilothouse.admin.orders.keeping import Kept
from pilothouse.server import node
from pilothouse.structures.state import StateFolder

from .rig import ALICE, READER, Rig
from .schema import misfits

PATHS = [each.path.replace("{node:path}", "web-7").replace("{source}", "files") for each in COMMANDS]


@pytest.mark.parametrize("path", PATHS)
async def test_an_order_needs_a_name_that_may_give_it(rig: Callable[..., Rig], path: str) -> None:
    here = rig()
    said: dict[str, Any] = {"json": {"addresses": ["10.0.0.1"]}}
    async with httpx.AsyncClient(
        transport=here.client._transport, base_url=here.client.base_url, verify=False
    ) as client:
        unnamed = await client.post(path, **said)
        assert unnamed.status_code == 401
        assert "www-authenticate" in unnamed.headers
        assert (await client.post(path, **said, headers={"authorization": "Bearer x"})).status_code == 401
        reader = await client.post(path, **said, headers=READER)
        assert (reader.status_code, reader.json()) == (403, {"error": "reader may only read"})
        foreign = await client.post(path, **said, headers={**ALICE, "origin": "http://evil.example"})
        assert foreign.status_code == 403
        here.terms = Terms("127.0.0.1")
        unset = await client.post(path, **said)
        assert unset.status_code == 403
        assert "--admin-tokens FILE" in unset.json()["error"]
        assert (await client.get(path, headers=ALICE)).status_code in (401, 404, 405)
    assert here.out() == set()


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "the body is no JSON"),
        (b"{", "the body is no JSON"),
        (b"\xff\xfe", "the body is no JSON"),
        (b"[" * 50_000, "the body"),
        (b"[]", "the body: Expected `object`, got `array`"),
        (b"{}", "the body: Object missing required field `addresses`"),
        (b'{"addresses": "10.0.0.1"}', "the body: Expected `array`, got `str`"),
        (b'{"addresses": ["10.0.0.1"], "untill": 1}', "the body: Object contains unknown field `untill`"),
        (b'{"addresses": []}', "addresses: must be 1 to 100, not 0"),
        (b'{"addresses": ["cart"]}', "addresses: 'cart' is neither"),
        (b'{"addresses": ["10.0.0.1"], "service": "cart"}', "service: must be NAMESPACE/NAME"),
        (b'{"addresses": ["10.0.0.1"], "lasts": "8d"}', "lasts: must be from 1s to 7d"),
        (b'{"addresses": ["10.0.0.1"], "lasts": "0s"}', "lasts: must be from 1s to 7d"),
        (b'{"addresses": ["10.0.0.1"], "lasts": "soon"}', "lasts: must be a duration"),
        ('{"addresses": ["10.0.0.1"], "lasts": "\u0663s"}'.encode(), "lasts: must be a duration"),
        (b'{"addresses": ["10.0.0.1"], "reason": "a\\nb"}', "reason: must be one line"),
    ],
)
async def test_what_is_wrong_with_an_order_is_said_in_one_line(
    rig: Callable[..., Rig], content: bytes, error: str
) -> None:
    here = rig()
    answer = await here.client.post("/drain", content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"].startswith(error)
    assert here.out() == set()


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b'{"addresses": ["10.0.0.1"]}', "text/plain", 415),
        (b"addresses=10.0.0.1", "application/x-www-form-urlencoded", 415),
        (b'{"reason": "' + b"x" * 70_000 + b'"}', "application/json", 413),
    ],
)
async def test_a_form_or_a_large_body_is_not_read(
    rig: Callable[..., Rig], content: bytes, kind: str, status: int
) -> None:
    here = rig()
    answer = await here.client.post("/drain", content=content, headers={"content-type": kind})
    assert answer.status_code == status, answer.text
    assert here.out() == set()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/drain", {"addresses": ["x" * 9000]}),
        ("/drain", {"addresses": ["10.0.0.1"], "lasts": "x" * 9000}),
        ("/drain", {"addresses": ["10.0.0.1"], "service": "x" * 9000}),
        ("/drain", {"addresses": ["10.0.0.1"], "service": "shop/" + "x" * 9000}),
        ("/drain", {"addresses": ["10.0.0.1"], "x" * 9000: 1}),
        ("/undrain", {"addresses": ["10.0.0.1"], "service": "shop/" + "x" * 9000}),
        ("/drain?" + "x" * 9000 + "=1", {"addresses": ["10.0.0.1"]}),
        ("/holds/" + "x" * 9000 + "/release", {}),
        ("/proxies/" + "x" * 9000 + "/disconnect", {}),
        ("/resources", {"x" * 9000: 1}),
        ("/resources", {"locality": "x" * 9000}),
        ("/resources?after=" + "x" * 4000, {}),
        ("/resources?type=" + "x" * 4000, {}),
        ("/resources?limit=" + "x" * 4000, {}),
    ],
)
async def test_an_error_quotes_little_of_what_was_sent(
    rig: Callable[..., Rig], path: str, said: dict[str, Any]
) -> None:
    answer = await rig().client.post(path, json=said)
    assert answer.status_code in (200, 400, 404), answer.text
    assert answer.text.count("x") <= 110


async def test_of_a_node_only_what_is_needed_is_read_and_on_a_thread(
    rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[str, Any]] = []

    def noticed(said: Any, message: Any) -> None:
        read.append((threading.current_thread().name, said))

    monkeypatch.setattr(node, "ParseDict", noticed)
    metadata = {"NAMESPACE": "shop", "LABELS": [[]] * 9000}
    said = {"id": "a", "extensions": [{}] * 9000, "metadata": metadata, "userAgentBuildVersion": {}}
    answer = await rig().client.post("/resources", json=said)
    assert answer.status_code == 200, answer.text
    assert read == [("node", {"id": "a", "metadata": {"NAMESPACE": "shop"}})]


async def test_a_drain_is_shown_with_who_until_when_and_why(rig: Callable[..., Rig]) -> None:
    here = rig()
    with structlog.testing.capture_logs() as logs:
        said = await here.order("/drain", addresses=["10.0.0.1"], lasts="2h", reason="its disk is full")
    assert here.out() == {"10.0.0.1"}
    [row] = said["items"]
    assert (row["address"], row["who"], row["found"]) == ("10.0.0.1", "alice", ["shop/cart"])
    assert (await here.client.get("/drains")).json() == said
    [line] = logs
    assert (line["event"], line["who"], line["about"]) == ("order", "alice", "10.0.0.1")
    endpoints = (await here.client.get("/endpoints?service=shop/cart")).json()["items"]
    [reason] = endpoints[0]["reasons"]
    assert reason["code"] == "drained"
    assert reason["words"].startswith("drained by an operator: alice, until ")
    ended = await here.order("/undrain", addresses=["10.0.0.1"])
    assert ended == said
    assert here.out() == set()
    assert (await here.client.get("/drains")).json() == {"items": []}


async def test_the_last_endpoint_of_a_service_is_drained_by_force_only(rig: Callable[..., Rig]) -> None:
    here = rig()
    refused = await here.order("/drain", 409, addresses=["10.0.0.1", "10.0.0.2"])
    assert refused["error"].startswith("shop/cart would have no endpoint left")
    await here.order("/drain", addresses=["10.0.0.1"])
    await here.order("/drain", 409, addresses=["10.0.0.2"])
    assert here.out() == {"10.0.0.1"}
    await here.order("/drain", addresses=["10.0.0.2"], force=True)
    assert here.out() == {"10.0.0.1", "10.0.0.2"}


@pytest.mark.parametrize("workers", [1, 2])
async def test_drains_that_come_at_once_leave_a_service_its_last_endpoint(
    rig: Callable[..., Rig], tmp_path: Path, workers: int
) -> None:
    rigs = [rig(tmp_path / "state", workers=workers) for _ in range(workers)]
    answers = await asyncio.gather(
        *(
            rigs[number % workers].client.post("/drain", json={"addresses": [address]})
            for number, address in enumerate(("10.0.0.1", "10.0.0.2"))
        )
    )
    assert sorted(each.status_code for each in answers) == [200, 409]
    assert len(Kept(tmp_path / "state").read()) == 1


async def test_an_address_that_nothing_has_is_drained_by_force_only(rig: Callable[..., Rig]) -> None:
    here = rig()
    assert "10.0.0.9" in (await here.order("/drain", 404, addresses=["10.0.0.9"]))["error"]
    await here.order("/drain", 404, addresses=["10.1.0.1"], service="shop/cart")
    await here.order("/drain", 404, addresses=["10.0.0.1:81"])
    await here.order("/drain", addresses=["10.0.0.9"], force=True)
    await here.order("/undrain", 404, addresses=["10.0.0.8"])


async def test_a_drain_ends_by_itself(rig: Callable[..., Rig], eventually: Any) -> None:
    here = rig()
    await here.order("/drain", addresses=["10.0.0.1"], lasts="1s")
    running = asyncio.create_task(here.keeper.run())
    await eventually(lambda: here.out() == set())
    running.cancel()
    assert here.registry.revisions.recent[-1].place == "the end of the drain of 10.0.0.1"


async def test_orders_that_come_at_once_are_all_carried_out(rig: Callable[..., Rig], tmp_path: Path) -> None:
    here = rig(tmp_path / "state")
    await asyncio.gather(
        *(here.order("/drain", addresses=[f"10.1.0.{number}"], force=True) for number in range(20))
    )
    assert len(here.registry.drains) == 20
    assert len(Kept(tmp_path / "state").read()) == 20


async def test_a_drain_is_in_force_at_the_next_process(rig: Callable[..., Rig], tmp_path: Path) -> None:
    await rig(tmp_path / "state").order("/drain", addresses=["10.0.0.1"])
    after = rig(tmp_path / "state")
    await after.keeper.begin()
    assert after.out() == {"10.0.0.1"}


async def test_workers_follow_what_one_of_them_is_ordered(
    rig: Callable[..., Rig], tmp_path: Path, eventually: Any
) -> None:
    one, other = rig(tmp_path / "state", workers=2), rig(tmp_path / "state", workers=2)
    running = [asyncio.create_task(each.keeper.run()) for each in (one, other)]
    await one.order("/drain", addresses=["10.0.0.1"])
    await eventually(lambda: other.out() == {"10.0.0.1"})
    await other.order("/undrain", addresses=["10.0.0.1"])
    await eventually(lambda: one.out() == set())
    for each in running:
        each.cancel()


async def test_workers_that_keep_nothing_refuse_a_drain(rig: Callable[..., Rig]) -> None:
    refused = await rig(workers=2).order("/drain", 409, addresses=["10.0.0.1"])
    assert "--no-state" in refused["error"]


@pytest.mark.parametrize("damage", [b"nonsense", b""])
async def test_kept_drains_that_cannot_be_read_are_logged_and_none(
    rig: Callable[..., Rig], tmp_path: Path, damage: bytes
) -> None:
    await rig(tmp_path).order("/drain", addresses=["10.0.0.1"])
    file = StateFolder(tmp_path).file("drains")
    file.write_bytes(damage)
    after = rig(tmp_path)
    with structlog.testing.capture_logs() as logs:
        await after.keeper.begin()
    assert after.out() == set()
    assert [line["event"] for line in logs] == ["kept state cannot be used"]
    await after.order("/drain", addresses=["10.0.0.2"])
    assert len(Kept(tmp_path).read()) == 1


async def test_a_drain_that_cannot_be_kept_is_refused(rig: Callable[..., Rig], tmp_path: Path) -> None:
    (tmp_path / "state").write_text("no folder")
    here = rig(tmp_path / "state")
    refused = await here.order("/drain", 409, addresses=["10.0.0.1"])
    assert "the state folder cannot be written" in refused["error"]
    assert here.out() == set()


@pytest.mark.parametrize("hangs", ["read", "_write"])
async def test_an_order_for_which_the_disk_hangs_changes_nothing_later_either(
    rig: Callable[..., Rig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eventually: Any, hangs: str
) -> None:
    here, go, ended = rig(tmp_path), threading.Event(), threading.Event()
    await here.order("/drain", addresses=["10.1.0.1"], force=True)
    monkeypatch.setattr(keeping, "_PATIENCE_S", 0.05)
    whole, edit = getattr(Kept, hangs), Kept.edit

    def slow(*said: Any) -> Any:
        go.wait(20)
        return whole(*said)

    def noticed(*said: Any) -> Any:
        try:
            return edit(*said)
        finally:
            ended.set()

    monkeypatch.setattr(Kept, hangs, slow)
    monkeypatch.setattr(Kept, "edit", noticed)
    refused = await here.order("/drain", 409, addresses=["10.0.0.1"])
    why = "no answer from the disk within 0.05 s; nothing is changed"
    assert refused == {"error": f"the state folder cannot be written: {why}"}
    go.set()
    await eventually(ended.is_set)
    assert [each.target.address for each in Kept(tmp_path).read()] == ["10.1.0.1"]
    assert here.out() == set()


async def test_a_hold_is_released_or_rejected(rig: Callable[..., Rig]) -> None:
    here = rig()
    assert "hold of the source 'files'" in (await here.order("/holds/files/release", 404))["error"]
    assert (await here.order("/holds/consul/reject", 404))["error"]
    here.registry.shard("files").replace([])
    kept = await here.order("/holds/files/reject", reason="the disk was gone")
    assert kept["hold"]["lost_services"] == 21
    assert len(here.registry.services) == 21
    done = await here.order("/holds/files/release", reason="they are gone for good")
    assert done == {"done": "the loss of 21 services and 22 endpoints of files is believed", "who": "alice"}
    assert not here.registry.services
    assert here.registry.revisions.recent[-1].place == "alice releases the hold: they are gone for good"


async def test_a_proxy_that_is_not_there_cannot_be_disconnected(rig: Callable[..., Rig]) -> None:
    refused = await rig(workers=2).order("/proxies/a/b/disconnect", 404)
    assert refused == {"error": "there is no stream of a/b at this worker"}


async def test_the_document_says_what_an_order_takes_and_answers(rig: Callable[..., Rig]) -> None:
    here = rig()
    said = document("1")
    for command in COMMANDS:
        operation = said["paths"][PREFIX + command.path.replace(":path", "")]["post"]
        assert operation["requestBody"]["content"]["application/json"]["schema"]
    schemas = said["components"]["schemas"]
    answer = await here.order("/drain", addresses=["10.0.0.1"])
    assert [*misfits(answer, {"$ref": "#/components/schemas/DrainList"}, schemas)] == []
