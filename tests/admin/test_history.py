"""Pages of the past, from a journal on the disk of which some entries are garbled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from pilothouse.admin.api import views
from pilothouse.admin.api.inquiry import Missing
from pilothouse.admin.reading.history import History
from pilothouse.journal.disk import Record
from pilothouse.journal.journal import CHANGE, NOTE, Journal, Note
from pilothouse.registry.revisions import Revisions

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
    unasked: Any = None
    return History(Revisions(), journal, unasked)


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
