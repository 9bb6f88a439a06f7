"""Pages of the past: what is on them, where they end, and entries on the disk that are garbled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from pilothouse.admin.api import views
from pilothouse.admin.api.inquiry import Missing
from pilothouse.admin.reading import history as module
from pilothouse.admin.reading.history import History, record
from pilothouse.journal.disk import Record
from pilothouse.journal.journal import CHANGE, NOTE, Journal, Note
from pilothouse.registry.merged import Registry
from pilothouse.registry.revisions import Revisions
from pilothouse.sources import Cause

NOTES = {number: Note(number, 1e9, "order", "ann", f"order {number}", "") for number in (1, 2, 3)}
GARBLED = [
    b"",
    b"\xff\xfe",
    b"null",
    b"[" * 100_000,
    b'{"number": "two"}',
    msgspec.json.encode(msgspec.structs.replace(NOTES[2], at=1e300)),
    msgspec.json.encode(msgspec.structs.replace(NOTES[2], number=1 << 80)),
]


async def kept(folder: Path, kind: str, *bodies: bytes) -> History:
    """The history after a restart, of entries with these bodies."""
    journal = Journal(folder)
    await journal.open()
    assert journal._disk is not None
    journal._disk.write([Record(kind, number, 1e10, (), body) for number, body in enumerate(bodies, 1)])
    return History(Revisions(), journal)


@pytest.mark.parametrize("body", GARBLED)
async def test_a_note_that_is_garbled_is_left_out_of_its_page(tmp_path: Path, body: bytes) -> None:
    history = await kept(tmp_path, NOTE, msgspec.json.encode(NOTES[1]), body, msgspec.json.encode(NOTES[3]))
    first = await history.notes(0, 1, "")
    assert ([each.number for each in first.items], first.next) == ([3], "3")
    rest = await history.notes(0, 1, "3")
    assert ([each.number for each in rest.items], rest.next) == ([1], None)


@pytest.mark.parametrize("body", GARBLED)
async def test_a_change_that_is_garbled_is_left_out_and_not_there(tmp_path: Path, body: bytes) -> None:
    history = await kept(tmp_path, CHANGE, body, body)
    assert await history.changes("", 0, 10, "") == views.ChangeList(())
    with pytest.raises(Missing):
        await history.change("2")


def grown(make_service: Any, after: int) -> Registry:
    """A registry with three changes, the first ones after this number."""
    registry = Registry(["files"])
    registry.revisions.begin(after)
    for number in range(3):
        registry.shard("files").put(make_service("shop/cart", f"10.0.{after}.{number + 1}"))
    return registry


@pytest.fixture
async def past(tmp_path: Path, make_service: Any) -> History:
    """Changes 1 to 3 on the disk, and those after them in memory. The same is true of notes."""
    first, second = (grown(make_service, after).revisions for after in (0, 3))
    journal = Journal(tmp_path)
    await journal.open()
    for _ in range(6):
        journal.noted("ann", "drains 10.0.0.1", "shop/cart")
    assert journal._disk is not None
    journal._disk.write([*(record(first, one) for one in first.recent), *journal._waiting.values()])
    for _ in range(3):
        journal.notes.popleft()
    return History(second, journal)


async def test_what_is_on_the_disk_is_known_too(past: History) -> None:
    with pytest.raises(Missing, match=r"^there is no change 9; known are 1 to 6$"):
        await past.change("9")
    assert (await past.change("1")).number == 1


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 6, 7])
@pytest.mark.parametrize("largest", [1, 200, 300, 400, 1 << 19])
@pytest.mark.parametrize("read", [1, 1 << 22])
async def test_a_page_ends_where_it_is_full_and_nothing_is_left_out(
    past: History, monkeypatch: pytest.MonkeyPatch, limit: int, largest: int, read: int
) -> None:
    monkeypatch.setattr(module, "_LARGEST", largest)
    monkeypatch.setattr(module, "_READ", read)
    for ask in (
        lambda after: past.changes("", 0, limit, after),
        lambda after: past.changes("shop/cart", 0, limit, after),
        lambda after: past.notes(0, limit, after),
    ):
        pages = [await ask("")]
        while pages[-1].next is not None:
            pages.append(await ask(pages[-1].next))
        assert [each.number for page in pages for each in page.items] == [6, 5, 4, 3, 2, 1]
        assert max(len(page.items) for page in pages) <= limit
        if largest == 1:
            assert len(pages) == 6
        if read > 1 and limit > 5 and largest > 400:
            assert len(pages) == 1


async def test_the_place_of_a_change_on_the_disk_can_be_a_file_whose_name_is_not_utf_8(
    tmp_path: Path, make_service: Any
) -> None:
    revisions, journal = Revisions(), Journal(tmp_path)
    revisions.note("files", Cause("caf\udce9.yaml:1"), [make_service("shop/cart").name])
    await journal.open()
    assert journal._disk is not None
    journal._disk.write([record(revisions, one) for one in revisions.recent])
    earlier = History(Revisions(), journal)
    assert (await earlier.change("1")).place == "caf\udce9.yaml:1"
