"""What happened to the requests of one flow: how they spread, and when a change showed in them. Pure."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from pilothouse.demo.shares import REFUSED, Shares

RECENT_S = 2.0


@dataclass(slots=True)
class Watch:
    """A flow since a change. Times are seconds of a monotonic clock.

    `seen` counts requests that were sent after the change had shown, so that earlier ones do not count
    against it.
    `refused` are refusals that the state before or after the change explains.
    `failed` are outcomes that neither state explains.
    `in_turn`: the flow sends its requests one after the other.
    """

    before: Shares
    after: Shares
    in_turn: bool
    changed_s: float
    shown_s: float | None = None
    seen: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    refused: int = 0
    failed: Counter[str] = field(default_factory=Counter)

    @property
    def concerned(self) -> bool:
        """Whether the change affects this flow."""
        return self.before != self.after

    @property
    def shown(self) -> bool:
        return self.shown_s is not None or not self.concerned

    @property
    def took_ms(self) -> float | None:
        """The time from the change to the end of the first request that showed it, in milliseconds."""
        return None if self.shown_s is None else (self.shown_s - self.changed_s) * 1000

    def see(self, sent_s: float, ended_s: float, outcome: str, gap: int | None) -> None:
        """Record a request. `gap` is how many requests ago its outcome was seen last: 1 is the one before."""
        self.sent += 1
        if outcome not in self.before and outcome not in self.after:
            self.failed[outcome] += 1
            return
        self.refused += outcome == REFUSED
        if self.shown:
            if self.shown_s is None or sent_s >= self.shown_s:
                self.seen[outcome] += 1
        elif sent_s >= self.changed_s and self._tells(outcome, gap):
            self.shown_s = ended_s

    def _tells(self, outcome: str, gap: int | None) -> bool:
        """Whether this outcome shows the change, because it could not have happened before.

        Either the outcome is new, or it comes too early. Round robin over two pods of equal weight never
        calls one twice in a row. With weights 5 : 1, every sixth request goes to the lighter pod.
        """
        share = self.before.get(outcome)
        if share is None:
            return True
        taking_turns = self.in_turn and len(self.before) == 2
        return taking_turns and gap is not None and gap < round(1 / share)


class Sightings:
    """All requests of a flow, the recent ones, and the present watch."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.sent = 0
        self.failed = 0
        self._last: dict[str, int] = {}
        self._recent: deque[tuple[float, str]] = deque()

    def see(self, sent_s: float, ended_s: float, outcome: str) -> None:
        last = self._last.get(outcome)
        before = self.watch.failed.total()
        self.watch.see(sent_s, ended_s, outcome, None if last is None else self.sent - last)
        self.failed += self.watch.failed.total() - before
        self._last[outcome] = self.sent
        self.sent += 1
        self._recent.append((ended_s, outcome))
        self._forget(ended_s)

    def recent(self, now_s: float) -> Counter[str]:
        """The outcomes of the last RECENT_S seconds."""
        self._forget(now_s)
        return Counter(outcome for _, outcome in self._recent)

    def _forget(self, now_s: float) -> None:
        while self._recent and self._recent[0][0] < now_s - RECENT_S:
            self._recent.popleft()
