"""Numbers every report that changes something, and follows it until the last client has answered.

All of it is in memory and bounded. A revision that is too old, or too much, is dropped and counted as
incomplete. Each revision is pending, and then counted once: as acknowledged (in `propagation`), as rejected,
as unneeded or as incomplete.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count, islice

from pilothouse.model.services import ServiceName
from pilothouse.registry.differences import Difference
from pilothouse.sources import Cause
from pilothouse.structures.delivery import Delivery
from pilothouse.structures.histogram import Histogram

#: The number of revisions that are remembered, and of deliveries that are awaited.
MOST = 1000
#: How long to wait for the answers of clients, in seconds.
PATIENCE_S = 60.0
#: A revision keeps all names of its services, until all of them together are too many. Then the oldest
#: revisions keep the first `NAMED`.
NAMED = 100
_MOST_NAMES = 50_000
#: A delivery of more services is not said to be about each of them.
BLAMED = 20

#: In seconds. When a thousand clients are told, the last one is told after about 0.05 s.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True)
class Revision:
    """What one report changed.

    `at` is in Unix seconds. `since` is when the source heard of the change, by the monotonic clock, and
    `delay` is how many seconds before `at` that was.
    `place` is where in the backend the first of the changes is declared.
    `names` are the `touched` services, or the first of them if it is long ago.
    `places` has the place of each service that is declared elsewhere.
    """

    number: int
    at: float
    since: float
    source: str
    place: str
    names: tuple[ServiceName, ...]
    touched: int
    places: Mapping[ServiceName, str] = field(default_factory=dict, compare=False)
    delay: float = 0.0

    def place_of(self, name: ServiceName) -> str:
        """Where the backend declares this version of the service."""
        return self.places.get(name, self.place)


@dataclass(slots=True)
class Publication:
    """The revisions from `first` to `last`, which were published together, at `at` (Unix seconds).

    `begun` is the same time by the monotonic clock.
    `words` says what happened to the first of their services, and `differences` says it in values.
    """

    first: int
    last: int
    at: float
    begun: float
    delivery: Delivery
    words: Mapping[ServiceName, str] = field(default_factory=dict)
    differences: Mapping[ServiceName, Difference] = field(default_factory=dict)


#: In place of the time and the revisions of a delivery that is no longer followed.
_NONE: tuple[float, Sequence[Revision]] = (0.0, ())


class _Allowance:
    """Has the oldest of many long things cut once all of them together are too long."""

    def __init__(self, most: int) -> None:
        self._most, self._total = most, 0
        self._held: deque[tuple[int, Callable[[], None]]] = deque()

    def add(self, size: int, cut: Callable[[], None]) -> None:
        self._held.append((size, cut))
        self._total += size
        while self._total > self._most and len(self._held) > 1:
            size, cut = self._held.popleft()
            self._total -= size
            cut()


@dataclass(slots=True)
class _Group:
    """What the reports of one group have changed so far. They come into force together."""

    cause: Cause | None = None
    names: dict[ServiceName, str] = field(default_factory=dict)  # each with its place


class Revisions:
    """The latest revisions, and how long each took until the last client answered, by source."""

    def __init__(
        self, most: int = MOST, patience_s: float = PATIENCE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._patience_s, self._clock = most, patience_s, clock
        self._numbers = count(1)
        #: The number of the last revision of an earlier process; 0 without one.
        self.before = 0
        #: The trace of the revision with this number, for those who follow it elsewhere; empty without one.
        self.traced: Callable[[int], str] = lambda number: ""
        self._groups: dict[str, _Group] = {}
        self._untold: list[Revision] = []
        # When each delivery began, and its revisions. The oldest delivery is first.
        self._open: dict[Delivery, tuple[float, Sequence[Revision]]] = {}
        #: The latest revisions, the oldest first.
        self.recent: deque[Revision] = deque(maxlen=most)
        self._published: deque[Publication] = deque(maxlen=most)
        self._names, self._words = _Allowance(_MOST_NAMES), _Allowance(_MOST_NAMES)
        #: From the moment when the source hears of a change to the last client's ACK.
        self.propagation: dict[str, Histogram] = {}
        #: The number of revisions.
        self.noted: Counter[str] = Counter()
        #: Revisions that have not ended: not published, or not answered by all.
        self.pending: Counter[str] = Counter()
        #: Revisions that some client did not answer before it left, or in time; or too many to follow.
        self.incomplete: Counter[str] = Counter()
        #: Revisions that some client rejected.
        self.rejected: Counter[str] = Counter()
        #: Revisions that no client had to answer.
        self.unneeded: Counter[str] = Counter()

    @property
    def latest(self) -> int:
        """The number of the last revision; 0 before the first one."""
        return self.recent[-1].number if self.recent else 0

    @property
    def unpublished_since(self) -> float | None:
        """Since when the oldest change waits that not all clients have been told of, by the monotonic clock.

        None if all changes are published.
        """
        telling = self._published[-1].delivery if self._published else None
        _, under_way = self._open.get(telling, _NONE) if telling and telling.telling else _NONE
        return min((revision.since for revision in (*under_way, *self._untold)), default=None)

    def begin(self, after: int) -> None:
        """Number the revisions after this one, which was the last one of an earlier process."""
        self._numbers, self.before = count(after + 1), after

    @property
    def published(self) -> int:
        """The number of the last revision that was published; 0 before the first one."""
        return self._published[-1].last if self._published else self.before

    def revision(self, number: int) -> Revision | None:
        """The revision with this number. None if there is none, or if it is forgotten."""
        place = number - self.recent[0].number if self.recent else -1
        return self.recent[place] if 0 <= place < len(self.recent) else None

    @contextmanager
    def together(self, source: str) -> Iterator[None]:
        """Whatever the source reports inside of this block is one revision."""
        if source in self._groups:
            yield
            return
        group = self._groups[source] = _Group()
        try:
            yield
        finally:
            del self._groups[source]
            if group.names:
                self._add(source, group.cause or Cause(), group.names)

    def note(self, source: str, cause: Cause, names: Collection[ServiceName]) -> None:
        """A source has changed these services."""
        group = self._groups.get(source)
        if group is None:
            self._add(source, cause, {name: cause.place_of(name) for name in names})
            return
        group.cause = group.cause or cause._replace(since=self._since(cause))
        group.names.update({name: cause.place_of(name) for name in names})

    def take(self) -> Delivery | None:
        """The revisions since the last call, as one delivery for the caller to make. None without any."""
        self.expire()
        revisions, self._untold = self._untold, []
        if not revisions:
            return None
        since = min(revision.since for revision in revisions)
        delivery = Delivery(partial(self._ended, revisions), _about(revisions), len(revisions), since)
        numbers = revisions[0].number, revisions[-1].number
        now = self._clock()
        self._published.append(Publication(*numbers, time.time(), now, delivery))
        self._open[delivery] = now, revisions
        if len(self._open) > self._most:
            self._give_up(next(iter(self._open)))
        return delivery

    def describe(
        self, words: Mapping[ServiceName, str], differences: Mapping[ServiceName, Difference]
    ) -> None:
        """Say in words and in values what the last publication did to its services, if it had any."""
        if not self._published or not words:
            return
        last = self._published[-1]
        last.words, last.differences = words, differences
        if len(words) > NAMED:
            self._words.add(len(words), partial(_cut_words, last))

    def publication(self, number: int) -> Publication | None:
        """The publication of a revision. None if it is not published yet, or too long ago."""
        place = bisect_left(self._published, number, key=lambda each: each.last)
        found = self._published[place] if place < len(self._published) else None
        return found if found is not None and found.first <= number else None

    def expire(self) -> None:
        """Give up deliveries whose answers are overdue."""
        due = self._clock() - self._patience_s
        while self._open:
            oldest, (begun, _) = next(iter(self._open.items()))
            if begun > due:
                return
            self._give_up(oldest)

    def _add(self, source: str, cause: Cause, places: Mapping[ServiceName, str]) -> None:
        """Add a revision of these services, each with its place."""
        names = tuple(places)
        elsewhere = {name: places[name] for name in names if places[name] != cause.place}
        since = self._since(cause)
        revision = Revision(
            next(self._numbers),
            time.time(),
            since,
            source,
            cause.place,
            names,
            len(places),
            elsewhere,
            max(0.0, self._clock() - since),
        )
        self.recent.append(revision)
        if len(names) > NAMED:
            self._names.add(len(names), partial(self._cut_names, revision))
        self.noted[source] += 1
        self.pending[source] += 1
        self._untold.append(revision)
        if len(self._untold) > self._most:
            self._end([self._untold.pop(0)], self.incomplete)

    def _cut_names(self, revision: Revision) -> None:
        place = revision.number - self.recent[0].number if self.recent else -1
        if place >= 0:
            names = revision.names[:NAMED]
            places = {name: revision.places[name] for name in names if name in revision.places}
            self.recent[place] = replace(revision, names=names, places=places)

    def _since(self, cause: Cause) -> float:
        return self._clock() if cause.since is None else cause.since

    def _give_up(self, delivery: Delivery) -> None:
        _, revisions = self._open.pop(delivery)
        delivery.give_up()
        self._end(revisions, self.incomplete)

    def _ended(self, revisions: Sequence[Revision], delivery: Delivery) -> None:
        """Record how the revisions ended; and if all clients have acknowledged them, how long that took."""
        del self._open[delivery]
        if delivery.refused:
            self._end(revisions, self.rejected)
        elif delivery.left:
            self._end(revisions, self.incomplete)
        elif delivery.confirmed_at is None:
            self._end(revisions, self.unneeded)
        else:
            self._end(revisions)
            for revision in revisions:
                seen = self.propagation.get(revision.source)
                if seen is None:
                    seen = self.propagation[revision.source] = Histogram(BOUNDS)
                seen.observe(max(0.0, delivery.confirmed_at - revision.since))

    def _end(self, revisions: Sequence[Revision], how: Counter[str] | None = None) -> None:
        """Count revisions as ended, and in which way, unless `propagation` counts them."""
        sources = Counter(revision.source for revision in revisions)
        self.pending.subtract(sources)
        if how is not None:
            how.update(sources)


def _cut_words(published: Publication) -> None:
    published.words = dict(islice(published.words.items(), NAMED))


def _about(revisions: Sequence[Revision]) -> tuple[ServiceName, ...]:
    """The services of a delivery, if they are few: of many, nobody can tell which one a client rejects."""
    if sum(revision.touched for revision in revisions) > BLAMED:
        return ()
    return tuple({name: None for revision in revisions for name in revision.names})
