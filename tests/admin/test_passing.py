"""Orders that are about what each worker has are passed on to the others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pilothouse.admin.orders.passing import Passed, Passing

from .rig import Rig


async def test_what_one_worker_is_ordered_about_a_hold_the_others_do_too(
    rig: Callable[..., Rig], tmp_path: Path, eventually: Any
) -> None:
    one, other = rig(tmp_path / "state", workers=2), rig(tmp_path / "state", workers=2)
    noted: list[tuple[str, str, str]] = []
    other.operator.noted = lambda *said: noted.append(said)
    running = [asyncio.create_task(each.operator.run()) for each in (one, other)]
    for each in (one, other):
        each.registry.shard("files").replace([])
        assert each.registry.held("files")
    done = await one.order("/holds/files/release", reason="they are gone")
    assert done["done"].endswith("; the order is passed on to the other worker")
    assert "beware" not in done
    await eventually(lambda: not other.registry.services)
    assert other.registry.revisions.recent[-1].place == "alice releases the hold: they are gone"
    assert noted == [("alice", "release: they are gone", "files")]
    for task in running:
        task.cancel()


async def test_the_stream_of_a_proxy_is_closed_by_the_worker_that_has_it(
    rig: Callable[..., Rig], tmp_path: Path, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = rig(tmp_path / "state", workers=2), rig(tmp_path / "state", workers=2)
    running = [asyncio.create_task(each.operator.run()) for each in (one, other)]
    closed: list[tuple[Any, str]] = []
    monkeypatch.setattr(other.discovery.roster, "of", lambda node: ["its stream"] if node == "web-7" else [])
    monkeypatch.setattr(other.discovery, "disconnect", lambda *said: closed.append(said))
    done = await one.order("/proxies/web-7/disconnect", reason="it hangs")
    assert done["done"] == ("this worker has no stream of web-7; the order is passed on to the other worker")
    await eventually(lambda: closed == [("its stream", "alice disconnects it: it hangs")])
    for task in running:
        task.cancel()


async def test_an_order_is_passed_on_once_and_not_to_a_worker_that_is_newer(tmp_path: Path) -> None:
    older, asked = Passing(tmp_path), Passed("release", "files", "alice", "")
    await Passing(tmp_path).pass_on(asked)
    (tmp_path / "1-2-3.json").write_text("long ago")
    (tmp_path / f"{time.time_ns()}-0-0.json").write_text("no order")
    newer = Passing(tmp_path)
    assert [*older._read()] == [asked]
    assert [*older._read()] == [*newer._read()] == []
    await newer.pass_on(asked)
    assert not (tmp_path / "1-2-3.json").exists(), "what is old is taken away"


async def test_an_order_is_passed_on_when_the_clock_has_gone_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, asked = Passing(tmp_path), Passed("release", "files", "alice", "")
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now - 300_000_000_000)
    await Passing(tmp_path).pass_on(asked)
    assert other._read() == [asked]
    assert other._read() == []


async def test_what_cannot_be_read_keeps_no_other_order_back(tmp_path: Path) -> None:
    other, asked = Passing(tmp_path), Passed("release", "files", "alice", "")
    (tmp_path / "1-folder.json").mkdir()
    (tmp_path / "2-deep.json").write_text('{"x":' + "[" * 200_000)
    await Passing(tmp_path).pass_on(asked)
    assert other._read() == [asked]


async def test_if_an_order_cannot_be_passed_on_that_is_said(rig: Callable[..., Rig], tmp_path: Path) -> None:
    here = rig(tmp_path / "state", workers=3)
    (tmp_path / "state").write_text("no folder")
    here.registry.shard("files").replace([])
    done = await here.order("/holds/files/release")
    assert done["beware"].startswith("this is one of 3 workers, and the state folder cannot be written (")
    assert not here.registry.services
