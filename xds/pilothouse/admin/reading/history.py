"""What has changed and what was noted: the latest from memory, what is older from the disk."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import msgspec

from pilothouse.admin.api import views
from pilothouse.admin.api.encoding import decoded, encoded
from pilothouse.admin.api.inquiry import Missing, Unanswered
from pilothouse.admin.reading import changes
from pilothouse.admin.reading.changes import numbered
from pilothouse.admin.reading.services import named
from pilothouse.journal.disk import Found, Garbled, Kind, Record, Room, Unkept
from pilothouse.journal.journal import CHANGE, NOTE, Journal, Note
from pilothouse.registry.revisions import Revision, Revisions
from pilothouse.structures.lane import leaving
from pilothouse.structures.turns import Turn, in_turns

T = TypeVar("T")

_TURN_S = 0.002
_RECORDED = 500  # so many services of a change are kept on the disk with what happened to them
#: The item that brings a page to so many bytes of JSON is its last one.
_LARGEST = 1 << 19
#: So much of the disk is read for a page. What is kept of a change can be more than what is shown of it.
_READ = 4 << 20


@dataclass(frozen=True, slots=True)
class History:
    """Answers about the past. What is on the disk is read on a thread, page by page."""

    revisions: Revisions
    journal: Journal

    async def changes(self, service: str, since: float, limit: int, after: str) -> views.ChangeList:
        """The latest changes, the newest first."""
        wanted = named(service) if service else None
        begun, before = _begun(since), numbered(after)
        first = self.revisions.recent[0].number if self.revisions.recent else None
        name = str(wanted) if wanted else None
        matching = changes.matching(self.revisions, wanted, begun, limit + 1, before)
        page, turn = _Page[views.ChangeView](limit), Turn(_TURN_S)
        for one in await in_turns(matching, _TURN_S):
            if not page.takes(changes.shown(self.revisions, one, wanted)):
                break
            await turn.over()
        earlier = await self._earlier(_CHANGES, _least(first, before), begun, name, page)
        for each in earlier.items:
            if not page.takes(self._of_disk(each, name)):
                break
            await turn.over()
        more = page.refused or earlier.more
        return views.ChangeList(tuple(page.items), str(page.items[-1].number) if more else None)

    async def change(self, number: str) -> views.ChangeView:
        """One change, and who has not answered yet. Raises Missing."""
        wanted = numbered(number, "number") or 0
        one = self.revisions.revision(wanted)
        if one is not None:
            return changes.shown(self.revisions, one, None)
        asked = self.journal.one(_CHANGES, wanted)
        kept = await _kept(asked)
        if kept is None:
            raise Missing(f"change {number}; known are {await self._known()}")
        return self._of_disk(kept)

    async def notes(self, since: float, limit: int, after: str) -> views.NoteList:
        """What was noted, the newest first."""
        begun, before = _begun(since), numbered(after)
        first = self.journal.notes[0].number if self.journal.notes else None
        page, turn = _Page[views.NoteRow](limit), Turn(_TURN_S)
        for note in list(reversed(self.journal.notes)):
            if note.at >= begun and (before is None or note.number < before) and not page.takes(_row(note)):
                break
            await turn.over()
        earlier = await self._earlier(_NOTES, _least(first, before), begun, None, page)
        for each in earlier.items:
            if not page.takes(each):
                break
            await turn.over()
        more = page.refused or earlier.more
        return views.NoteList(tuple(page.items), str(page.items[-1].number) if more else None)

    async def _earlier(
        self, kind: Kind[T], before: int | None, begun: float, name: str | None, page: _Page[T]
    ) -> Found[T]:
        """What the disk has for the rest of a page. Raises Unanswered."""
        if page.refused:
            return Found([])
        room = Room(page.limit - len(page.items), _READ)
        return await _kept(self.journal.earlier(kind, before, begun, name, room))

    def _of_disk(self, change: views.ChangeView, name: str | None = None) -> views.ChangeView:
        services = change.services
        if name is not None:
            services = tuple(each for each in services if each.service == name) or (views.ChangedView(name),)
        else:
            services = services[: changes.NAMED]
        change = msgspec.structs.replace(change, services=services)
        return _unfinished(change) if change.number <= self.revisions.before else change

    async def _known(self) -> str:
        """Which changes are known, in words. Raises Unanswered."""
        recent = self.revisions.recent
        first = _least(await _kept(self.journal.first(CHANGE)), recent[0].number if recent else None)
        last = recent[-1].number if recent else self.revisions.before
        return f"{first} to {last}" if first is not None else "none"


@dataclass(slots=True)
class _Page(Generic[T]):
    """The items of a page as long as there is room for them."""

    limit: int
    items: list[T] = field(default_factory=list)
    #: Whether there was no room for an item.
    refused: bool = False
    _bytes: int = 0

    def takes(self, item: T) -> bool:
        """Add the item, if there is room for it."""
        self.refused = len(self.items) >= self.limit or self._bytes >= _LARGEST
        if not self.refused:
            self.items.append(item)
            self._bytes += len(encoded(item))
        return not self.refused


def record(revisions: Revisions, one: Revision) -> Record:
    """A change as the disk keeps it: as its page shows it, with more services."""
    body = encoded(changes.shown(revisions, one, None, most=_RECORDED))
    return Record(CHANGE, one.number, one.at, tuple(map(str, one.names)), body)


def _unfinished(change: views.ChangeView) -> views.ChangeView:
    """A change of an earlier process: what was outstanding when that ended will never be known."""
    told = change.published
    if told is not None and told.outstanding:
        told = msgspec.structs.replace(told, outstanding=0, unknown=told.outstanding)
    return msgspec.structs.replace(change, published=told, earlier=True)


def _begun(since: float) -> float:
    return time.time() - since if since > 0 else -since


def _least(*numbers: int | None) -> int | None:
    return min((each for each in numbers if each is not None), default=None)


async def _kept(found: Awaitable[T]) -> T:
    """What is found on the disk. Raises Unanswered."""
    try:
        async with leaving():
            return await found
    except Unkept as why:
        raise Unanswered(f"the journal on the disk cannot be read: {why}") from None


def _change(number: int, body: bytes) -> views.ChangeView:
    """A change as `record` has written it. Raises Garbled."""
    with _explained():
        change = decoded(body, views.ChangeView)
        if change.number != number:
            raise ValueError(f"it says that it is number {change.number}")
        return change


def _note(number: int, body: bytes) -> views.NoteRow:
    """A note as the journal has written it. Raises Garbled."""
    with _explained():
        note = decoded(body, Note)
        if note.number != number:
            raise ValueError(f"it says that it is number {note.number}")
        return _row(note)


_CHANGES, _NOTES = Kind(CHANGE, _change), Kind(NOTE, _note)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    # A body may be anything, such as a time after the last year, or a number larger than an integer.
    except (msgspec.MsgspecError, ValueError, OverflowError, OSError, RecursionError) as wrong:
        raise Garbled(" ".join(str(wrong).split())) from None


def _row(note: Note) -> views.NoteRow:
    at, about = views.moment(note.at), note.about or None
    return views.NoteRow(note.number, at, note.kind, note.who, note.what, about)
