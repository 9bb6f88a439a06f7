"""Decides which losses to believe, between what a source reports and what is served.

An explicit loss (a deletion event, a manifest that was removed) is believed at once. A loss that a full
report only implies may be a fault of the backend: an unmounted folder, a list that came back empty. If such a
loss is massive, the guard holds the lost services until they are back, or until the hold ends. Eureka calls
this self-preservation.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from pilothouse.model.services import Endpoint, Service, ServiceName, State, ordered
from pilothouse.registry.fading import Fading
from pilothouse.sources import HOLD_S

Report = Mapping[ServiceName, Service]

#: Losses of one source within this time count together.
WINDOW_S = 30.0
#: A loss is massive if half is gone, out of at least this many services or endpoints.
_LEAST = 10


@dataclass(frozen=True, slots=True)
class Hold:
    """A loss that is not believed yet. Times are seconds of a monotonic clock.

    `names` are the services that are kept whole or in part. `endpoints` counts the endpoints that are kept.
    """

    names: frozenset[ServiceName]
    endpoints: int
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is in force after a report, and the hold that keeps the rest, if there is one."""

    in_force: Report
    hold: Hold | None = None


class Guard:
    """Judges the full reports of one source. The caller gives the time.

    A `hold_s` of 0 believes every loss at once.
    """

    def __init__(self, hold_s: float = HOLD_S) -> None:
        self._hold_s = hold_s
        self._since = float("-inf")
        self._baseline: dict[ServiceName, Service] = {}  # the largest report in force within the window
        self._callable = 0  # endpoints of it, of which there may be too many to count often

    def judge(
        self, before: Report, after: Report, now: float, suspect: bool = False, hold: Hold | None = None
    ) -> Verdict:
        """Compare `after`, a new report, with `before`, which is in force. `hold` is the present hold, if
        any.

        If the report is `suspect`, whatever it lacks is held, however little it is.
        """
        largest = len(self._baseline) + self._callable
        if now - self._since >= WINDOW_S or len(before) + _callable(before) >= largest:
            self.believed(before, now)
        if not self._hold_s or not (suspect or self._is_massive(after)):
            return Verdict(after)
        kept, names, endpoints = _kept(before, after)
        if not names:
            return Verdict(after)
        since = hold.since if hold else now
        return Verdict(kept, Hold(frozenset(names), endpoints, since, since + self._hold_s))

    def doubts(self, fading: Fading, callable: int, now: float) -> Hold | None:
        """The hold that it takes if too much has faded of what can be called, or could be a while ago."""
        had = callable + len(fading)
        if not self._hold_s or had < _LEAST or 2 * len(fading) < had:
            return None
        return Hold(frozenset(fading), len(fading), now, now + self._hold_s)

    def believed(self, report: Report, now: float) -> None:
        """This report is in force. Losses are counted from it."""
        self._since, self._baseline, self._callable = now, dict(report), _callable(report)

    def removed(self, name: ServiceName) -> None:
        """A service was removed explicitly. That is no loss."""
        self._callable -= callable_endpoints(self._baseline.pop(name, None))

    def _is_massive(self, after: Report) -> bool:
        """Whether half of the services, or half of the callable endpoints, are gone."""
        before = self._baseline
        lost_services = sum(name not in after for name in before)
        if len(before) >= _LEAST and 2 * lost_services >= len(before):
            return True
        if self._callable < _LEAST:
            return False
        # Most services are the same object as before; skip their endpoints.
        lost = sum(
            max(0, callable_endpoints(service) - callable_endpoints(after.get(name)))
            for name, service in before.items()
            if after.get(name) is not service
        )
        return 2 * lost >= self._callable


def reduced(hold: Hold, names: Collection[ServiceName], in_force: Report, reported: Report) -> Hold:
    """A hold of which some services are back or removed."""
    endpoints = sum(
        len({*in_force[name].endpoints}.difference(reported[name].endpoints if name in reported else ()))
        for name in names
    )
    return replace(hold, names=frozenset(names), endpoints=endpoints)


def _callable(report: Report) -> int:
    return sum(map(callable_endpoints, report.values()))


def callable_endpoints(service: Service | None) -> int:
    """How many can be called."""
    return 0 if service is None else service.callable


def _is_lost(old: Endpoint, new: Endpoint | None) -> bool:
    """Whether an endpoint is gone, or is there and not ready any more."""
    return new is None or (old.state is State.READY and new.state is State.NOT_READY)


def _kept(before: Report, after: Report) -> tuple[Report, set[ServiceName], int]:
    """The report with its losses added back, the services with losses, and the number of lost endpoints."""
    found = dict(after)
    names: set[ServiceName] = set()
    endpoints = 0
    for name, old in before.items():
        new = after.get(name)
        if new is old:
            continue
        left = {e.address: e for e in new.endpoints} if new else {}
        lost = [endpoint for endpoint in old.endpoints if _is_lost(endpoint, left.get(endpoint.address))]
        if new is None:
            found[name] = old
        elif lost:
            gone = {endpoint.address for endpoint in lost}
            stays = (endpoint for endpoint in new.endpoints if endpoint.address not in gone)
            found[name] = replace(new, endpoints=ordered((*stays, *lost)))
        else:
            continue
        names.add(name)
        endpoints += len(lost)
    return found, names, endpoints


def gained(before: Mapping[ServiceName, Service], after: Mapping[ServiceName, Service]) -> int:
    """By how many the endpoints that can be called have become more. Most services are the same object."""
    lost = sum(callable_endpoints(each) for name, each in before.items() if after.get(name) is not each)
    return (
        sum(callable_endpoints(each) for name, each in after.items() if before.get(name) is not each) - lost
    )
