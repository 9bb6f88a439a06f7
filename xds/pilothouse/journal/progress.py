"""Which changes have been published, and which of those have ended, since one has asked last."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.registry.revisions import Revision, Revisions
from pilothouse.structures.delivery import Delivery

_MOST_OPEN = 1000  # changes of which the end is awaited


class Progress:
    """Follows the revisions for one who asks again and again. `most` changes are returned at a time."""

    def __init__(self, revisions: Revisions, most: int) -> None:
        self._revisions, self._most = revisions, most
        self._open: dict[int, Delivery] = {}
        #: How many changes were returned, or passed over, whose end is not followed: there were too many.
        self.unfollowed = 0
        self.begin()

    def begin(self) -> None:
        """Take everything as known that is so now."""
        self._last = self._revisions.published
        self._open.clear()

    def missed(self) -> int:
        """How many changes are forgotten that were not returned yet. They never will be."""
        recent = self._revisions.recent
        before, first = self._last, recent[0].number - 1 if recent else 0
        self._last = max(before, first)
        return self._last - before

    def published(self) -> Iterator[Revision]:
        """The next changes that all streams were told."""
        revisions = self._revisions
        latest = min(revisions.published, self._last + self._most)
        for number in range(self._last + 1, latest + 1):
            published, one = revisions.publication(number), revisions.revision(number)
            if published is not None and published.delivery.telling:
                return
            self._last = number
            if published is None or one is None:
                self.unfollowed += 1
                continue
            if published.delivery.live:
                self._follow(number, published.delivery)
            yield one

    def _follow(self, number: int, delivery: Delivery) -> None:
        if len(self._open) < _MOST_OPEN:
            self._open[number] = delivery
        else:
            self.unfollowed += 1

    def over(self) -> Iterator[Revision]:
        """The changes that have ended since, each once: those that were published, and over at once, too."""
        for one in self.published():
            published = self._revisions.publication(one.number)
            if published is not None and not published.delivery.live:
                yield one
        yield from self.ended()

    def ended(self) -> Iterator[Revision]:
        """The changes that every client has answered since, or that are given up."""
        self._revisions.expire()
        over = [number for number, delivery in self._open.items() if not delivery.live]
        for number in over[: self._most]:
            del self._open[number]
            one = self._revisions.revision(number)
            if one is not None:
                yield one
