"""The journal on the disk: an SQLite file, with bounds in days and bytes. It works on threads only.

Each process writes a file of its own: the first one that no other process holds. Commits reach the disk when
SQLite copies its log (WAL) into the file. So a process that is killed loses nothing that was committed, and a
machine that loses power loses the last seconds at most.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Generic, NamedTuple, TypeAlias, TypeVar

VERSION = 1
#: How long and how much is kept. The log beside the file takes a few MiB more.
KEPT_S = 7 * 86400.0
LARGEST = 64 << 20
#: More processes than this share no folder.
_SLOTS = 64
_BUSY_S = 5.0
_LOG_BYTES = 4 << 20
#: No process counts so far: an entry with such a number is none of ours.
_BEYOND = 1 << 52
_SHARE = 10  # of a file that is too large, a tenth goes at a time

_SCHEMA = """
CREATE TABLE entry (
    kind TEXT NOT NULL, number INTEGER NOT NULL, at REAL NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (kind, number)
);
CREATE INDEX entry_at ON entry (at);
CREATE TABLE about (
    name TEXT NOT NULL, kind TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (name, kind, number)
) WITHOUT ROWID;
"""


T = TypeVar("T")


class Garbled(Exception):
    """The body of an entry cannot be read. The text says why, in one line."""


class Found(NamedTuple, Generic[T]):
    """The entries that could be read, whether there are more, and why another one could not be read.

    The reason is empty if all could.
    """

    items: list[T]
    more: bool = False
    garbled: str = ""


class Room(NamedTuple):
    """How many entries are wanted at most. The one that brings their bodies to so many bytes is the last."""

    entries: int
    bytes: int


#: Makes an entry of its number and its body. Raises Garbled.
Decode: TypeAlias = Callable[[int, bytes], T]


class Kind(NamedTuple, Generic[T]):
    """A kind of entries, and how one is read."""

    name: str
    decode: Decode[T]


#: What is asked of an open file.
Query: TypeAlias = Callable[[sqlite3.Connection], Found[T]]


class Record(NamedTuple):
    """An entry as it is kept. Of each kind, numbers grow. `at` is in Unix seconds, `body` is JSON.

    `about` has the names by which it is found.
    """

    kind: str
    number: int
    at: float
    about: tuple[str, ...]
    body: bytes


class Unkept(Exception):
    """The journal cannot be kept on the disk. The text says why, in one line."""


class Disk:
    """One file of a folder, held by this process until `close`."""

    def __init__(self, file: Path, lock: int, db: sqlite3.Connection, aside: Path | None) -> None:
        self.file = file
        #: Where an earlier file is that could not be used.
        self.aside = aside
        self._lock, self._db = lock, db

    def last(self, kind: str) -> int:
        """The number of the last entry of a kind; 0 without any."""
        [(number,)] = self._db.execute(
            f"SELECT max(number) FROM entry WHERE kind = ? AND {_OURS}", (kind, _BEYOND)
        )
        return number or 0

    def write(self, records: Sequence[Record]) -> None:
        """Keep these entries, each in place of an earlier version of it. Raises Unkept."""
        with _explained():
            with self._db:
                self._db.executemany(
                    "INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?)",
                    ((each.kind, each.number, each.at, each.body) for each in records),
                )
                self._db.executemany(
                    "INSERT OR IGNORE INTO about VALUES (?, ?, ?)",
                    ((name, each.kind, each.number) for each in records for name in each.about),
                )
            self._trim()

    def close(self) -> None:
        """Let another process have the file."""
        self._db.close()
        os.close(self._lock)

    def _trim(self) -> None:
        """Drop what is too old, and if the file is too large, its oldest entries."""
        due = time.time() - KEPT_S
        [(is_due,)] = self._db.execute("SELECT EXISTS (SELECT 1 FROM entry WHERE at < ?)", (due,))
        if is_due:
            self._drop("at < ?", due)
        if self._used() > LARGEST:
            [(cut,)] = self._db.execute(
                "SELECT at FROM entry ORDER BY at LIMIT 1 OFFSET (SELECT count(*) / ? FROM entry)", (_SHARE,)
            )
            self._drop("at <= ?", cut)

    def _drop(self, which: str, value: float) -> None:
        with self._db:
            found = f"SELECT kind, number FROM entry WHERE {which}"
            self._db.execute(f"DELETE FROM about WHERE (kind, number) IN ({found})", (value,))
            self._db.execute(f"DELETE FROM entry WHERE {which}", (value,))

    def _used(self) -> int:
        """The bytes that entries take. Pages that are free are used again before the file grows."""
        numbers = [self._db.execute(f"PRAGMA {each}").fetchone()[0] for each in _SIZES]
        return int((numbers[0] - numbers[1]) * numbers[2])


_OURS = "typeof(number) = 'integer' AND number < ?"
_SIZES = ("page_count", "freelist_count", "page_size")


def opened(folder: Path) -> Disk:
    """The first file of the folder that no other process holds. Raises Unkept.

    A file that cannot be used is moved aside, and a new one is begun.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file, lock = _held(folder)
    except OSError as error:
        raise Unkept(f"{folder}: {error.strerror}") from None
    try:
        with _explained():
            try:
                return Disk(file, lock, _connected(file), None)
            except (sqlite3.DatabaseError, _Foreign) as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                aside = _moved(file)
                return Disk(file, lock, _connected(file), aside)
    except BaseException:
        os.close(lock)
        raise


def read(file: Path, query: Query[T]) -> Found[T]:
    """What a query finds in a file that a process of ours may be writing. Raises Unkept."""
    with _explained(), closing(sqlite3.connect(f"file:{file}?mode=ro", timeout=_BUSY_S, uri=True)) as db:
        return query(db)


def latest(kind: Kind[T], before: int | None, since: float, name: str | None, room: Room) -> Query[T]:
    """A query for entries of a kind, the newest first: since a time (Unix seconds), and about a name.

    Entries that cannot be read are left out, and do not count.
    """

    def found(db: sqlite3.Connection) -> Found[T]:
        below = _BEYOND if before is None else min(before, _BEYOND)
        about = "JOIN about USING (kind, number)" if name is not None else ""
        named = "AND name = ?" if name is not None else ""
        rows = db.execute(
            f"SELECT number, CAST(body AS BLOB) FROM entry {about} WHERE kind = ? AND {_OURS} AND at >= ?"
            f" {named} ORDER BY number DESC",
            (kind.name, below, since, *((name,) if name is not None else ())),
        )
        return _decoded(rows, kind.decode, room)

    return found


def one(kind: Kind[T], number: int) -> Query[T]:
    """A query for one entry."""

    def found(db: sqlite3.Connection) -> Found[T]:
        rows = db.execute(
            "SELECT number, CAST(body AS BLOB) FROM entry WHERE kind = ? AND number = ?", (kind.name, number)
        )
        return _decoded(rows, kind.decode, Room(1, 1))

    return found


def first(kind: str) -> Query[int]:
    """A query for the number of the oldest entry of a kind."""

    def found(db: sqlite3.Connection) -> Found[int]:
        rows = db.execute(f"SELECT min(number) FROM entry WHERE kind = ? AND {_OURS}", (kind, _BEYOND))
        return Found([number for (number,) in rows if number is not None])

    return found


def _decoded(rows: Iterator[tuple[int, bytes]], decode: Decode[T], room: Room) -> Found[T]:
    items, size, garbled = list[T](), 0, ""
    for number, body in rows:
        try:
            item = decode(number, body)
        except Garbled as why:
            garbled = f"{number}: {why}"
            continue
        if len(items) >= room.entries or size >= room.bytes:
            return Found(items, True, garbled)
        items.append(item)
        size += len(body)
    return Found(items, False, garbled)


class _Foreign(Exception):
    """The file is no journal of this version."""


def _held(folder: Path) -> tuple[Path, int]:
    """The first file that no other process holds, and the descriptor of the lock by which it is held."""
    for slot in range(_SLOTS):
        lock = os.open(folder / f"{slot}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
        else:
            return folder / f"{slot}.sqlite", lock
    raise OSError(0, f"{_SLOTS} other processes keep a journal there")


def _connected(file: Path) -> sqlite3.Connection:
    file.touch(mode=0o600)
    db = sqlite3.connect(file, timeout=_BUSY_S, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
        [(version,)] = db.execute("PRAGMA user_version")
        if version == 0:
            db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        elif version != VERSION:
            raise _Foreign
        elif db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise sqlite3.DatabaseError
    except BaseException:
        db.close()
        raise
    return db


def _moved(file: Path) -> Path:
    """Move a file aside, in place of an earlier one, with what SQLite keeps beside it."""
    aside = file.with_suffix(".unusable")
    os.replace(file, aside)
    for beside in ("-wal", "-shm"):
        file.with_name(file.name + beside).unlink(missing_ok=True)
    return aside


@contextmanager
def _explained() -> Iterator[None]:
    """Turns what SQLite and the disk say into Unkept."""
    try:
        yield
    except (sqlite3.Error, OverflowError) as error:
        raise Unkept(str(error)) from None
    except OSError as error:
        raise Unkept(error.strerror or str(error)) from None
