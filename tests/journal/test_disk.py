"""The file of the journal: what is found again, its bounds, and what becomes of one that cannot be used."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.journal import disk
from pilothouse.journal.disk import (
    LARGEST,
    Disk,
    Garbled,
    Kind,
    Record,
    Room,
    Unkept,
    first,
    latest,
    one,
    opened,
    read,
)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Disk]:
    found = opened(tmp_path)
    yield found
    found.close()


def change(number: int, *about: str, at: float | None = None, body: bytes | None = None) -> Record:
    said = body or f'{{"number": {number}}}'.encode()
    return Record("change", number, time.time() if at is None else at, about, said)


def plain(_: int, body: bytes) -> bytes:
    return body


def numbers(bodies: list[bytes]) -> list[int]:
    return [int(body.strip(b'{}"number: ')) for body in bodies]


def found(
    kept: Disk, name: str | None = None, before: int | None = None, most: int = 9, since: float = 0
) -> list[int]:
    return numbers(
        read(kept.file, latest(Kind("change", plain), before, since, name, Room(most, LARGEST))).items
    )


def test_entries_are_found_again_the_newest_first(kept: Disk) -> None:
    kept.write([change(number, "shop/cart") for number in (1, 2, 3)])
    assert found(kept) == [3, 2, 1]
    assert found(kept, most=2) == [3, 2]
    assert found(kept, before=3) == [2, 1]
    assert read(kept.file, one(Kind("change", plain), 2)).items == [b'{"number": 2}']
    assert read(kept.file, one(Kind("change", plain), 9)).items == []
    assert read(kept.file, one(Kind("note", plain), 2)).items == []


@pytest.mark.parametrize(
    ("room", "several", "more"),
    [
        (Room(9, 99), 6, False),
        (Room(6, 99), 6, False),
        (Room(5, 99), 5, True),
        (Room(0, 99), 0, True),
        (Room(9, 1), 1, True),
        (Room(9, 20), 2, True),
        (Room(9, 21), 3, True),
        (Room(9, 60), 6, False),
    ],
)
def test_a_query_ends_where_its_room_does_and_says_whether_there_is_more(
    kept: Disk, room: Room, several: int, more: bool
) -> None:
    kept.write([change(number, body=b"%010d" % number) for number in range(3, 9)])
    page = read(kept.file, latest(Kind("change", plain), None, 0, None, room))
    assert (numbers(page.items), page.more) == ([8, 7, 6, 5, 4, 3][:several], more)


def test_the_oldest_entry_of_a_kind_is_known(kept: Disk) -> None:
    assert read(kept.file, first("change")).items == []
    kept.write([change(4), change(3)])
    assert read(kept.file, first("change")).items == [3]
    assert read(kept.file, first("note")).items == []


def test_entries_are_found_by_what_they_are_about(kept: Disk) -> None:
    kept.write([change(1, "shop/cart"), change(2, "shop/pay", "shop/cart"), change(3, "shop/pay")])
    assert found(kept, "shop/cart") == [2, 1]
    assert found(kept, "shop/pay", before=3) == [2]
    assert found(kept, "shop/car'; DROP TABLE entry") == []


def test_entries_are_found_since_a_time(kept: Disk) -> None:
    now = time.time()
    kept.write([change(1, at=now - 100), change(2, at=now)])
    assert found(kept, since=now - 50) == [2]


def test_a_later_version_of_an_entry_replaces_the_earlier_one(kept: Disk) -> None:
    kept.write([change(1, "shop/cart", body=b'{"number": 7}')])
    kept.write([change(1, "shop/cart")])
    assert found(kept, "shop/cart") == [1]


def test_numbers_go_on_in_the_next_process(tmp_path: Path) -> None:
    first = opened(tmp_path)
    assert first.last("change") == 0
    first.write([change(41)])
    first.close()
    second = opened(tmp_path)
    assert (second.last("change"), second.last("note"), second.aside) == (41, 0, None)
    second.close()


def test_each_process_has_a_file_of_its_own_and_the_next_one_continues_it(tmp_path: Path) -> None:
    first, second = opened(tmp_path), opened(tmp_path)
    assert first.file != second.file
    name = first.file
    first.close()
    third = opened(tmp_path)
    assert third.file == name
    for each in (second, third):
        each.close()


def test_a_process_that_is_killed_loses_nothing_that_was_written(tmp_path: Path) -> None:
    program = f"""
import os, pathlib
from pilothouse.journal.disk import Record, opened
opened(pathlib.Path({str(tmp_path)!r})).write([Record("change", 5, {time.time()}, (), b"{{}}")])
os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", program]).returncode == 9
    again = opened(tmp_path)
    assert again.last("change") == 5
    again.close()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.write_bytes(b"this is no database, and never was one" * 100),
        lambda file: file.write_bytes(file.read_bytes()[:4096] + bytes(8192)),
        lambda file: sqlite3.connect(file).execute("PRAGMA user_version = 99").close(),
    ],
    ids=["no database", "half of one", "of another version"],
)
def test_a_file_that_cannot_be_used_is_moved_aside_and_a_new_one_begun(tmp_path: Path, spoil) -> None:
    first = opened(tmp_path)
    first.write([change(number, "shop/cart") for number in range(200)])
    first.close()
    spoil(first.file)
    second = opened(tmp_path)
    assert second.aside is not None
    assert second.aside.exists()
    assert second.last("change") == 0
    second.write([change(1)])
    assert found(second) == [1]
    second.close()


def test_what_is_too_old_is_dropped(kept: Disk, monkeypatch) -> None:
    kept.write([change(1, "shop/cart", at=time.time() - 100), change(2, "shop/cart")])
    monkeypatch.setattr(disk, "KEPT_S", 50.0)
    kept.write([change(3, "shop/cart")])
    assert found(kept) == [3, 2]
    assert found(kept, "shop/cart") == [3, 2]


def test_a_file_does_not_grow_without_end(kept: Disk, monkeypatch) -> None:
    monkeypatch.setattr(disk, "LARGEST", 400_000)
    now = time.time()
    for batch in range(40):
        first = batch * 10
        kept.write([change(first + n, at=now + first + n, body=b"x" * 4000) for n in range(10)])
    with sqlite3.connect(kept.file) as db:
        [(count, newest)] = db.execute("SELECT count(*), max(number) FROM entry")
    assert newest == 399
    assert 50 <= count <= 120
    assert kept.file.stat().st_size < 800_000


def test_a_folder_that_cannot_be_made_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unkept, match=r"file/journal: Not a directory$"):
        opened(tmp_path / "file" / "journal")


def test_a_disk_that_is_full_is_said_and_written_again_when_it_is_not(kept: Disk) -> None:
    [(pages,)] = kept._db.execute("PRAGMA page_count")
    kept._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(Unkept, match="full"):
        kept.write([change(1, body=b"x" * 100_000)])
    kept._db.execute("PRAGMA max_page_count = 100000")
    kept.write([change(2)])
    assert found(kept) == [2]


def test_an_entry_that_cannot_be_read_is_left_out_and_the_page_is_full(kept: Disk) -> None:
    kept.write([change(number) for number in range(1, 6)])

    def even(number: int, body: bytes) -> bytes:
        if number % 2:
            raise Garbled("odd")
        return body

    page = read(kept.file, latest(Kind("change", even), None, 0, None, Room(2, 99)))
    assert (numbers(page.items), page.more, page.garbled) == ([4, 2], False, "1: odd")
    assert read(kept.file, one(Kind("change", even), 3)) == ([], False, "3: odd")


@pytest.mark.parametrize("number", [(1 << 63) - 1, 1.5, "many"])
def test_numbers_go_on_after_the_last_one_that_a_process_can_have_counted(
    tmp_path: Path, number: object
) -> None:
    first = opened(tmp_path)
    first.write([change(41)])
    with first._db:
        first._db.execute("INSERT INTO entry VALUES ('change', ?, 9e99, '{}')", (number,))
    first.close()
    second = opened(tmp_path)
    assert second.last("change") == 41
    second.write([change(42)])
    assert found(second) == [42, 41]
    second.close()


def test_a_number_that_is_too_large_for_the_file_is_said(kept: Disk) -> None:
    with pytest.raises(Unkept, match="too large"):
        kept.write([change(1 << 63)])
