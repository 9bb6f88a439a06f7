"""What has happened: notes in memory, and all entries on the disk, off the event loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

import msgspec
import structlog

from pilothouse.journal import disk
from pilothouse.journal.disk import Disk, Found, Kind, Record, Room, Unkept
from pilothouse.structures.threads import on_a_thread

log = structlog.get_logger(__name__)

CHANGE, NOTE = "change", "note"
#: What a note is about: what a client rejects, a loss that is held, what an operator did.
NoteKind: TypeAlias = Literal["nack", "hold", "order"]

_MOST_NOTES = 1000
#: So many entries wait for a disk that is slow. More are lost, and counted.
_MOST_WAITING = 10_000
FLUSH_S = 1.0
# How long a disk may take to begin, for what a reader asks, and for the last entries at the end.
_OPEN_S, _READ_S, _END_S = 5.0, 5.0, 2.0
_LONGEST = 1000

T = TypeVar("T")


class Note(msgspec.Struct, frozen=True):
    """Somebody did something. `at` is in Unix seconds, `about` the service, source or proxy, if it is one."""

    number: int
    at: float
    kind: NoteKind
    who: str
    what: str
    about: str


class Journal:
    """The journal of one process. With a folder, it is kept there as well.

    Nothing that is noted waits for the disk. What cannot be written is lost, and counted.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._disk: Disk | None = None
        self._writing = threading.Lock()  # a write that is given up may still go on
        self._waiting: dict[tuple[str, int], Record] = {}
        self._last_note = 0
        self._failing = self._garbled = False
        #: The latest notes, the oldest first.
        self.notes: deque[Note] = deque(maxlen=_MOST_NOTES)
        #: Entries that could not be kept on the disk.
        self.lost = 0

    @property
    def kept(self) -> bool:
        """Whether entries are kept on the disk."""
        return self._disk is not None

    async def open(self) -> int:
        """Open the file on the disk. Returns the number of the last change in it, 0 without any.

        A disk that cannot be used is logged, and the process goes on without.
        """
        if self._folder is None:
            return 0
        folder = self._folder
        try:
            found = await asyncio.wait_for(on_a_thread(lambda: _opened(folder), "journal"), _OPEN_S)
        except (Unkept, TimeoutError) as why:
            reason = str(why) or f"no answer within {_OPEN_S:g} s"
            log.warning("the journal is not kept on the disk", folder=str(folder), reason=reason)
            return 0
        self._disk, last_change, self._last_note = found
        if self._disk.aside is not None:
            log.error(
                "the journal on the disk could not be used, and a new one is begun",
                file=str(self._disk.file),
                moved_to=str(self._disk.aside),
            )
        return last_change

    def noted(self, who: str, what: str, about: str, kind: NoteKind = "order") -> None:
        """Note that somebody did something, now. Texts may have any length; long ones are cut."""
        self._last_note += 1
        who, what, about = (text[:_LONGEST] for text in (who, what, about))
        note = Note(self._last_note, time.time(), kind, who, what, about)
        self.notes.append(note)
        names = (about,) if about else ()
        self.keep([Record(NOTE, note.number, note.at, names, msgspec.json.encode(note))])

    def keep(self, records: Iterable[Record]) -> None:
        """Write these entries soon, each in place of an earlier version of it."""
        if self._disk is None:
            return
        for each in records:
            self._waiting[each.kind, each.number] = each
        while len(self._waiting) > _MOST_WAITING:
            del self._waiting[next(iter(self._waiting))]
            self.lost += 1

    async def run(self, news: Callable[[], Iterable[Record]]) -> None:
        """Write what is noted, and the `news`, once a second for ever; and at the end what is left."""
        if self._disk is None:
            return
        try:
            while True:
                await asyncio.sleep(FLUSH_S)
                self.keep(news())
                await self._flush()
        finally:
            self.keep(news())
            try:
                await asyncio.wait_for(self._end(), _END_S)
            except TimeoutError:
                log.error("the last entries of the journal may be lost: the disk gives no answer")

    async def _end(self) -> None:
        await self._flush()
        file, self._disk = self._disk, None
        if file is None:
            return

        def close() -> None:
            with self._writing:
                file.close()

        await on_a_thread(close, "journal")

    async def _flush(self) -> None:
        records, self._waiting = [*self._waiting.values()], {}
        if not records or self._disk is None:
            return
        file = self._disk

        def write() -> None:
            with self._writing:
                file.write(records)

        try:
            await on_a_thread(write, "journal")
        except Unkept as why:
            self.lost += len(records)
            if not self._failing:
                log.error("the journal cannot be written, so entries are lost", reason=str(why))
            self._failing = True
        else:
            if self._failing:
                log.info("the journal is written again", lost=self.lost)
            self._failing = False

    async def earlier(
        self, kind: Kind[T], before: int | None, since: float, name: str | None, room: Room
    ) -> Found[T]:
        """Entries on the disk, the newest first: before a number, since a time, and about a name.

        One that cannot be read is left out, which is logged once. Raises Unkept.
        """
        return await self._read(disk.latest(kind, before, since, name, room))

    async def first(self, kind: str) -> int | None:
        """The number of the oldest entry of a kind on the disk. Raises Unkept."""
        found = await self._read(disk.first(kind))
        return found.items[0] if found.items else None

    async def one(self, kind: Kind[T], number: int) -> T | None:
        """One entry on the disk; None if it cannot be read. Raises Unkept."""
        found = await self._read(disk.one(kind, number))
        return found.items[0] if found.items else None

    async def _read(self, query: disk.Query[T]) -> Found[T]:
        if self._disk is None:
            return Found([])
        file = self._disk.file
        try:
            found = await asyncio.wait_for(on_a_thread(lambda: disk.read(file, query), "journal"), _READ_S)
        except TimeoutError:
            raise Unkept(f"the disk gives no answer within {_READ_S:g} s") from None
        if found.garbled and not self._garbled:
            self._garbled = True
            log.error(
                "an entry of the journal cannot be read, and is left out",
                file=str(file),
                reason=found.garbled,
            )
        return found


def _opened(folder: Path) -> tuple[Disk, int, int]:
    found = disk.opened(folder)
    return found, found.last(CHANGE), found.last(NOTE)
