"""What is noted, what is written and when, and a disk that fails, hangs or is not there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pilothouse.journal import journal as module
from pilothouse.journal.disk import Garbled, Kind, Record, Room, Unkept
from pilothouse.journal.journal import CHANGE, NOTE, Journal


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FLUSH_S", 0.0)


@asynccontextmanager
async def running(journal: Journal, news=lambda: ()) -> AsyncIterator[None]:
    task = asyncio.create_task(journal.run(news))
    await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def plain(_: int, body: bytes) -> bytes:
    return body


def record(number: int) -> Record:
    return Record(CHANGE, number, 1e12, (), b"{}")


async def test_notes_are_in_memory_at_once_the_oldest_first() -> None:
    journal = Journal()
    assert await journal.open() == 0
    journal.noted("ann", "drains 10.0.0.1", "shop/cart")
    journal.noted("web-7", "rejects CDS", "shop/pay", kind="nack")
    assert [(each.number, each.who, each.kind) for each in journal.notes] == [
        (1, "ann", "order"),
        (2, "web-7", "nack"),
    ]
    assert not journal.kept


async def test_texts_and_notes_are_bounded(monkeypatch) -> None:
    journal = Journal()
    for _ in range(module._MOST_NOTES + 1):
        journal.noted("x" * 9999, "y" * 9999, "z" * 9999)
    assert len(journal.notes) == module._MOST_NOTES
    assert {len(journal.notes[-1].who), len(journal.notes[-1].what)} == {module._LONGEST}


async def test_an_earlier_process_is_continued(tmp_path: Path, eventually) -> None:
    first = Journal(tmp_path)
    await first.open()
    news = [record(7)]
    async with running(first, lambda: [news.pop()] if news else []):
        first.noted("ann", "drains 10.0.0.1", "shop/cart")
    second = Journal(tmp_path)
    assert await second.open() == 7
    second.noted("bob", "undrains 10.0.0.1", "shop/cart")
    assert second.notes[-1].number == 2
    async with running(second):
        [body] = (await second.earlier(Kind(NOTE, plain), 2, 0, "shop/cart", Room(5, 99))).items
        assert b'"who":"ann"' in body
        assert await second.one(Kind(CHANGE, plain), 7) == b"{}"
        assert await second.one(Kind(CHANGE, plain), 8) is None
        assert await second.first(CHANGE) == 7


async def test_without_a_folder_nothing_is_on_a_disk() -> None:
    journal = Journal()
    await journal.open()
    await journal.run(lambda: [record(1)])
    assert (await journal.earlier(Kind(CHANGE, plain), None, 0, None, Room(5, 99))).items == []
    assert await journal.first(CHANGE) is None
    assert journal.lost == 0


async def test_a_folder_that_cannot_be_used_is_logged_and_the_process_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    journal = Journal(tmp_path / "file")
    with capture_logs() as log:
        assert await journal.open() == 0
    assert [each["event"] for each in log] == ["the journal is not kept on the disk"]
    journal.noted("ann", "drains 10.0.0.1", "")
    assert len(journal.notes) == 1


async def test_a_disk_that_is_full_is_logged_once_and_what_is_lost_is_counted(
    tmp_path: Path, eventually, monkeypatch
) -> None:
    journal = Journal(tmp_path)
    await journal.open()
    assert journal._disk is not None
    write, full = journal._disk.write, True

    def fails(records) -> None:
        if full:
            raise Unkept("database or disk is full")
        write(records)

    journal._disk.write = fails  # type: ignore[method-assign]
    with capture_logs() as log:
        async with running(journal):
            for number in (1, 2):
                journal.keep([record(number)])
                await eventually(lambda number=number: journal.lost == number)
            full = False
            journal.keep([record(3)])
            await eventually(lambda: [each for each in log if "again" in each["event"]])
            assert await journal.one(Kind(CHANGE, plain), 3) == b"{}"
    assert [each["event"] for each in log] == [
        "the journal cannot be written, so entries are lost",
        "the journal is written again",
    ]


async def test_a_disk_that_hangs_holds_up_nobody_and_costs_bounded_memory(
    tmp_path: Path, eventually, monkeypatch
) -> None:
    monkeypatch.setattr(module, "_MOST_WAITING", 3)
    monkeypatch.setattr(module, "_END_S", 0.05)
    journal, go = Journal(tmp_path), threading.Event()
    await journal.open()
    assert journal._disk is not None
    asked = threading.Event()

    def hangs(_) -> None:
        asked.set()
        go.wait(20)

    journal._disk.write = hangs  # type: ignore[assignment,method-assign]
    async with running(journal):
        journal.keep([record(1)])
        await eventually(asked.is_set)
        for number in range(2, 12):
            journal.keep([record(number)])
        assert (len(journal._waiting), journal.lost) == (3, 7)
    go.set()


async def test_what_is_noted_last_is_written_at_the_end(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(module, "FLUSH_S", 1000.0)
    journal = Journal(tmp_path)
    await journal.open()
    async with running(journal, lambda: [record(4)]):
        await asyncio.sleep(0)
    again = Journal(tmp_path)
    assert await again.open() == 4
    async with running(again):
        assert again.kept
    assert not again.kept


async def test_a_disk_that_does_not_open_in_time_is_done_without(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(module, "_OPEN_S", 0.01)
    go = threading.Event()
    monkeypatch.setattr(module, "_opened", lambda folder: go.wait(20))
    journal = Journal(tmp_path)
    with capture_logs() as log:
        assert await journal.open() == 0
    assert "no answer" in log[0]["reason"]
    go.set()


async def test_entries_that_cannot_be_read_are_logged_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    await journal.open()
    assert journal._disk is not None
    journal._disk.write([record(1), record(2)])

    def garbled(number: int, body: bytes) -> bytes:
        raise Garbled("not JSON")

    with capture_logs() as log:
        assert (await journal.earlier(Kind(CHANGE, garbled), None, 0, None, Room(5, 99))).items == []
        assert await journal.one(Kind(CHANGE, garbled), 1) is None
    assert [(each["event"], each["reason"]) for each in log] == [
        ("an entry of the journal cannot be read, and is left out", "1: not JSON")
    ]
