"""What has changed and what was noted: the latest from memory, what is older from the disk."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from pilothouse.admin.api import views
from pilothouse.admin.api.inquiry import Missing, Unanswered
from pilothouse.admin.reading import changes
from pilothouse.admin.reading.changes import numbered
from pilothouse.admin.reading.services import named
from pilothouse.journal.disk import Garbled, Kind, Record, Unkept
from pilothouse.journal.journal import CHANGE, NOTE, Journal, Note
from pilothouse.registry.revisions import Revision, Revisions
from pilothouse.server.discovery import Discovery
from pilothouse.structures.lane import leaving
from pilothouse.structures.turns import Turn, in_turns

T = TypeVar("T")

_TURN_S = 0.002
_RECORDED = 500  # so many services of a change are kept on the disk with what happened to them


@dataclass(frozen=True, slots=True)
class History:
    """Answers about the past. What is on the disk is read on a thread, page by page."""

    revisions: Revisions
    journal: Journal
    discovery: Discovery

    async def changes(self, service: str, since: float, limit: int, after: str) -> views.ChangeList:
        """The latest changes, the newest first."""
        wanted = named(service) if service else None
        begun, before = _begun(since), numbered(after)
        matching = changes.matching(self.revisions, wanted, begun, limit + 1, before)
        turn, items = Turn(_TURN_S), list[views.ChangeView]()
        for one in await in_turns(matching, _TURN_S):
            items.append(changes.shown(self.revisions, one, wanted))
            await turn.over()
        name = str(wanted) if wanted else None
        first = self.revisions.recent[0].number if self.revisions.recent else None
        earlier = self.journal.earlier(_CHANGES, _least(first, before), begun, name, limit + 1 - len(items))
        items += [self._of_disk(each, name) for each in await _kept(earlier)]
        page = tuple(items[:limit])
        return views.ChangeList(page, str(page[-1].number) if len(items) > limit else None)

    async def change(self, number: str) -> views.ChangeView:
        """One change, and who has not answered yet. Raises Missing."""
        wanted = numbered(number, "number") or 0
        one = self.revisions.revision(wanted)
        if one is not None:
            return await changes.full(self.revisions, self.discovery, one)
        asked = self.journal.one(_CHANGES, wanted)
        kept = await _kept(asked)
        if kept is None:
            raise Missing(f"change {number}; known are {self._known()}")
        return self._of_disk(kept)

    async def notes(self, since: float, limit: int, after: str) -> views.NoteList:
        """What was noted, the newest first."""
        begun, before = _begun(since), numbered(after)
        held = [each for each in reversed(self.journal.notes) if before is None or each.number < before]
        found = [_row(each) for each in held if each.at >= begun][: limit + 1]
        first = self.journal.notes[0].number if self.journal.notes else None
        earlier = self.journal.earlier(_NOTES, _least(first, before), begun, None, limit + 1 - len(found))
        found += await _kept(earlier)
        items = tuple(found[:limit])
        return views.NoteList(items, str(items[-1].number) if len(found) > limit else None)

    def _of_disk(self, change: views.ChangeView, name: str | None = None) -> views.ChangeView:
        services = change.services
        if name is not None:
            services = tuple(each for each in services if each.service == name) or (views.ChangedView(name),)
        else:
            services = services[: changes.NAMED]
        earlier = change.number <= self.revisions.before or None
        return msgspec.structs.replace(change, services=services, earlier=earlier)

    def _known(self) -> str:
        recent = self.revisions.recent
        return f"{recent[0].number} to {recent[-1].number}" if recent else "none"


def record(revisions: Revisions, one: Revision) -> Record:
    """A change as the disk keeps it: as its page shows it, with more services. In ASCII."""
    shown = changes.shown(revisions, one, None, most=_RECORDED)
    body = json.dumps(msgspec.to_builtins(shown)).encode("ascii")
    return Record(CHANGE, one.number, one.at, tuple(map(str, one.names)), body)


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
        change = msgspec.json.decode(body, type=views.ChangeView)
        if change.number != number:
            raise ValueError(f"it says that it is number {change.number}")
        return change


def _note(number: int, body: bytes) -> views.NoteRow:
    """A note as the journal has written it. Raises Garbled."""
    with _explained():
        note = msgspec.json.decode(body, type=Note)
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
