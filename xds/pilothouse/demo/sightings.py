"""What became of the requests of one flow: how they spread, and when a change showed in them. Pure."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from pilothouse.demo.shares import REFUSED, Shares

RECENT_S = 2.0


@dataclass(slots=True)
class Watch:
    """A flow since a change. Times are seconds of a monotonic clock.

    `seen` counts what was sent after the change had shown, so that no request of before is held
    against the new state. `refused` are the refusals that the state before or the new one explains,
    `failed` is what neither does. `in_turn` is of flows that send one request after the other.
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
        """Whether the change is one for this flow."""
        return self.before != self.after

    @property
    def shown(self) -> bool:
        return self.shown_s is not None or not self.concerned

    @property
    def took_ms(self) -> float | None:
        """From the change to the end of the first request that showed it."""
        return None if self.shown_s is None else (self.shown_s - self.changed_s) * 1000

    def see(self, sent_s: float, ended_s: float, outcome: str, gap: int | None) -> None:
        """Take in a request. `gap` is how many requests ago its outcome was last seen: 1 is just before."""
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
        """Whether this cannot have happened before the change.

        Either the outcome is new; or it came too early: where two pods of one weight take turns,
        round robin never calls one twice, and of 5 : 1 every sixth request is for the lesser one.
        """
        share = self.before.get(outcome)
        if share is None:
            return True
        taking_turns = self.in_turn and len(self.before) == 2
        return taking_turns and gap is not None and gap < round(1 / share)


class Sightings:
    """All requests of a flow, those of the last seconds, and the watch that is on."""

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
