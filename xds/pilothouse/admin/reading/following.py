"""Finds out what has happened for those who read events, by looking again and again.

So events cost nothing where changes are pushed and answered. What one look costs is bounded: streams are
looked at in turns, at most once a second, and at most `_MOST_ROWS` rows are told each time. The rest has its
turn at the next look, as it is then.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import chain, islice

from pilothouse.admin.api.events import RESET, Told
from pilothouse.admin.api.pages import hold_view, source_view
from pilothouse.admin.api.views import HoldEnded, ProxyState
from pilothouse.admin.reading import changes, proxies
from pilothouse.admin.reading.services import Parts
from pilothouse.admin.status import Questions, SourceStatus
from pilothouse.encoding.types import ResourceType
from pilothouse.journal.progress import Progress
from pilothouse.server.discovery import Discovery
from pilothouse.server.rejections import Rejection
from pilothouse.server.session import Session
from pilothouse.structures.turns import Turn

_TURN_S = 0.002
#: Streams and sources are looked at no sooner than this after the last time, in seconds; and so that looking
#: takes no more than a fiftieth of the time.
_PAUSE_S, _SHARE = 1.0, 50
_MOST_ROWS = 500
_MOST_CHANGES = 50  # in one look
_FIRST = ("", 0)  # before all streams of the roster


class Following:
    """What has happened since the last look."""

    def __init__(
        self,
        questions: Callable[[], Questions],
        parts: Parts,
        discovery: Discovery,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._questions, self._clock = questions, clock
        self._changes = _Changes(parts)
        self._streams = _Streams(parts, discovery)
        self._sources: dict[str, SourceStatus] = {}
        self._due = 0.0

    async def begin(self) -> None:
        """Take everything as known that is so now."""
        self._changes.begin()
        await self._streams.begin()
        self._sources = {each.name: each for each in self._questions().sources}
        self._due = self._clock() + _PAUSE_S

    async def found(self) -> AsyncIterator[Told]:
        """What has happened since the last look. Streams and sources are not looked at each time."""
        async for told in self._changes.found():
            yield told
        if self._clock() < self._due:
            return
        begun = self._clock()
        for told in self._of_sources():
            yield told
        async for told in self._streams.found():
            yield told
        ended = self._clock()
        self._due = ended + max(_PAUSE_S, _SHARE * (ended - begun))

    def _of_sources(self) -> Iterator[Told]:
        for source in self._questions().sources:
            before = self._sources.get(source.name)
            if source == before:
                continue
            self._sources[source.name] = source
            yield "source", source_view(source)
            if source.hold != (before.hold if before else None):
                yield "hold", hold_view(source) if source.hold else HoldEnded(source.name, True)


class _Changes:
    """Changes that were published, and those that have ended since."""

    def __init__(self, parts: Parts) -> None:
        self._revisions = parts.registry.revisions
        self._progress = Progress(self._revisions, _MOST_CHANGES)

    def begin(self) -> None:
        self._progress.begin()

    async def found(self) -> AsyncIterator[Told]:
        turn = Turn(_TURN_S)
        if self._progress.missed():
            yield RESET, None
        for one in [*self._progress.published(), *self._progress.ended()]:
            yield "change", changes.shown(self._revisions, one, None)
            await turn.over()


class _Streams:
    """Streams whose state differs from the one that was told last.

    SENDING follows every change, at every stream that wants it, and is mostly over at once. So it is told of
    new streams only, and a stream that has acknowledged a change is not told again.
    """

    def __init__(self, parts: Parts, discovery: Discovery) -> None:
        self._parts, self._discovery, self._roster = parts, discovery, discovery.roster
        # By the number of the stream: its node and state, and what it rejects.
        self._told: dict[int, tuple[str, ProxyState]] = {}
        self._rejecting: dict[int, dict[ResourceType, Rejection]] = {}
        self._refused: dict[int, str] = {}  # why those are refused that were told, by their number
        self._after = _FIRST

    async def begin(self) -> None:
        self._told.clear()
        self._rejecting.clear()
        self._refused = {each.number: each.reason for each in self._roster.refusals.known()}
        self._after, turn = _FIRST, Turn(_TURN_S)
        for number, session in list(self._roster.after(*_FIRST)):
            self._told[number] = session.node_id, proxies.state_of(session, time.monotonic())
            self._rejecting[number] = self._rejected(session)
            await turn.over()

    async def found(self) -> AsyncIterator[Told]:
        turn, count = Turn(_TURN_S), 0
        for told in chain(self._gone(), self._newly_refused()):
            yield told
        rest, self._after = list(self._roster.after(*self._after)), _FIRST
        for number, session in rest:
            for told in self._of(number, session):
                count += 1
                yield told
            if count >= _MOST_ROWS:
                self._after = session.node_id, number
                return
            await turn.over()

    def _of(self, number: int, session: Session) -> Iterator[Told]:
        now, before = time.monotonic(), self._told.get(number)
        state = proxies.state_of(session, now)
        if before is None or (state not in ("SENDING", before[1])):
            self._told[number] = session.node_id, state
            yield "proxy", proxies.row(session, now)
        rejected, known = self._rejected(session), self._rejecting.get(number, {})
        self._rejecting[number] = rejected
        for type, found in rejected.items():
            if known.get(type) != found:
                yield "nack", changes.rejected(self._parts, session, type, found)

    def _rejected(self, session: Session) -> dict[ResourceType, Rejection]:
        by = self._discovery.rejections.by
        return {type: found for type in session.rejecting if (found := by(session, type))}

    def _newly_refused(self) -> Iterator[Told]:
        """Those that are refused, or for another reason, since they were told last."""
        now = {each.number: each for each in self._roster.refusals.known()}
        self._refused = {number: reason for number, reason in self._refused.items() if number in now}
        fresh = (each for number, each in now.items() if self._refused.get(number) != each.reason)
        for each in islice(fresh, _MOST_ROWS):
            self._refused[each.number] = each.reason
            yield "proxy", proxies.refused_row(each)

    def _gone(self) -> Iterator[Told]:
        """The streams that have ended. A node that is back has another stream, of which its row is."""
        ended = list(islice((number for number in self._told if number not in self._roster), _MOST_ROWS))
        gone = {each.number: each for each in self._roster.gone()} if ended else {}
        forgotten = False
        for number in ended:
            node, _ = self._told.pop(number)
            self._rejecting.pop(number, None)
            if number in gone:
                yield "proxy", proxies.gone_row(gone[number])
            else:
                known = self._roster.of(node) or self._roster.refusals.of(node)
                forgotten = forgotten or not known
        if forgotten:  # more have gone at once than are remembered
            yield RESET, None
