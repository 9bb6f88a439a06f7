"""Every report that changes something has a number, and is followed until the last client has answered it.

In memory, and bounded: what is too old or too much is let go of, and counted as incomplete.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count, islice

from pilothouse.model.services import ServiceName
from pilothouse.sources import Cause
from pilothouse.structures.delivery import Delivery
from pilothouse.structures.histogram import Histogram

#: So many revisions are remembered, and so many deliveries are waited for.
MOST = 1000
#: After so many seconds a client that has not answered is not waited for any more.
PATIENCE_S = 60.0
#: Of a revision so many services are named.
NAMED = 100

#: Seconds. A client that waits for the next one to be told is at 0.05 with a thousand others.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True)
class Revision:
    """What one report changed. `at` is in Unix seconds; `since` is of the monotonic clock, when the source
    heard of it. `place` is where in the backend that is said first. `names` are the first of `touched`
    services, and `places` are of those that are said elsewhere.
    """

    number: int
    at: float
    since: float
    source: str
    place: str
    names: tuple[ServiceName, ...]
    touched: int
    places: Mapping[ServiceName, str] = field(default_factory=dict, compare=False)

    def place_of(self, name: ServiceName) -> str:
        """Where this revision of a service is said."""
        return self.places.get(name, self.place)


@dataclass(slots=True)
class _Group:
    """What reports that come into force together have changed up to now."""

    cause: Cause | None = None
    names: dict[ServiceName, str] = field(default_factory=dict)  # each with its place


class Revisions:
    """The latest revisions, and how long they took to their last client, by source."""

    def __init__(
        self, most: int = MOST, patience_s: float = PATIENCE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._patience_s, self._clock = most, patience_s, clock
        self._numbers = count(1)
        self._groups: dict[str, _Group] = {}
        self._untold: list[Revision] = []
        # In the order in which they were begun, with the time of that.
        self._open: dict[Delivery, tuple[float, Sequence[Revision]]] = {}
        #: The latest, the oldest first.
        self.recent: deque[Revision] = deque(maxlen=most)
        #: From the source's hearing of something to the last answer to it.
        self.propagation: dict[str, Histogram] = {}
        #: How many revisions there were.
        self.noted: Counter[str] = Counter()
        #: Of how many some client did not answer in time, or there were too many to wait for.
        self.incomplete: Counter[str] = Counter()
        #: How many some client rejected.
        self.rejected: Counter[str] = Counter()

    @property
    def latest(self) -> int:
        """The number of the last revision; 0 before the first."""
        return self.recent[-1].number if self.recent else 0

    @contextmanager
    def together(self, source: str) -> Iterator[None]:
        """What a source reports within is one revision."""
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
            self._add(source, cause, dict.fromkeys(names, cause.place))
            return
        group.cause = group.cause or cause._replace(since=self._since(cause))
        group.names.update(dict.fromkeys(names, cause.place))

    def take(self) -> Delivery | None:
        """What has changed since the last call, to be delivered to clients now; None if that is nothing."""
        self.expire()
        revisions, self._untold = self._untold, []
        if not revisions:
            return None
        delivery = Delivery(partial(self._ended, revisions))
        self._open[delivery] = self._clock(), revisions
        if len(self._open) > self._most:
            self._give_up(next(iter(self._open)))
        return delivery

    def expire(self) -> None:
        """Wait no longer for answers that are overdue."""
        due = self._clock() - self._patience_s
        while self._open:
            oldest, (begun, _) = next(iter(self._open.items()))
            if begun > due:
                return
            self._give_up(oldest)

    def _add(self, source: str, cause: Cause, places: Mapping[ServiceName, str]) -> None:
        """A revision of these services, each with its place."""
        names = tuple(islice(places, NAMED))
        elsewhere = {name: places[name] for name in names if places[name] != cause.place}
        since = self._since(cause)
        revision = Revision(
            next(self._numbers), time.time(), since, source, cause.place, names, len(places), elsewhere
        )
        self.recent.append(revision)
        self.noted[source] += 1
        self._untold.append(revision)
        if len(self._untold) > self._most:
            self.incomplete[self._untold.pop(0).source] += 1

    def _since(self, cause: Cause) -> float:
        return self._clock() if cause.since is None else cause.since

    def _give_up(self, delivery: Delivery) -> None:
        _, revisions = self._open.pop(delivery)
        delivery.give_up()
        self.incomplete.update(revision.source for revision in revisions)

    def _ended(self, revisions: Sequence[Revision], delivery: Delivery) -> None:
        """Nobody is waited for any more. What no client answered concerned none, and took no time."""
        del self._open[delivery]
        if delivery.confirmed_at is None:
            return
        for revision in revisions:
            seen = self.propagation.get(revision.source)
            if seen is None:
                seen = self.propagation[revision.source] = Histogram(BOUNDS)
            seen.observe(max(0.0, delivery.confirmed_at - revision.since))
            self.rejected[revision.source] += bool(delivery.refused)
