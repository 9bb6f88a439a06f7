"""Whether this process may be given sidecars, and why not, in words. Pure.

A process is not ready only if another process may do better: a source has not reported, something in it is
unknown, or the xDS port is not open yet. A rollout then stops before it replaces processes that know more. A
source that fails later, a broken file, a held loss and a quarantined service leave the last good state in
force, so these are warnings. If they made the process unready, one bad manifest would cut all sidecars off
from all other changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pilothouse.admin.status import FaultStatus, Questions, SourceStatus

_NAMED = 3


@dataclass(frozen=True, slots=True)
class Readiness:
    """`reasons` say why the process is not ready. `warnings` need attention, but do not make it unready."""

    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        return not self.reasons

    @property
    def degraded(self) -> bool:
        """Whether something needs attention."""
        return bool(self.reasons or self.warnings)


def readiness(status: Questions) -> Readiness:
    reasons = tuple(_reasons(status))
    if not reasons and not status.listening:
        reasons = ("starting: what the sources have reported is being translated",)
    return Readiness(reasons, tuple(_warnings(status)))


def explain(source: SourceStatus) -> str:
    """The complaints about one source; `reported` if there are none."""
    return "; ".join(_complaints(source)) or "reported"


def _reasons(status: Questions) -> Iterator[str]:
    if status.draining:
        yield "draining: this process is about to exit"
    if not status.sources:
        # No source is not the same as a source without services. Sidecars would be told to remove everything.
        yield "there is no source of services"
    for source in status.sources:
        if not source.synced or source.unknown:
            yield f"source {source.name}: {explain(source)}"


def _warnings(status: Questions) -> Iterator[str]:
    for source in status.sources:
        if source.synced and not source.unknown and any(_complaints(source)):
            yield f"source {source.name}: {explain(source)}"
    for quarantine in status.quarantined:
        standing = "its last good version is served" if quarantine.served else "nothing of it is served"
        yield f"service {quarantine.service} is quarantined, {standing}: {quarantine.reason}"
    yield from status.certificates.warnings


def _complaints(source: SourceStatus) -> Iterator[str]:
    if not source.synced:
        yield "has not reported yet"
    if source.unknown:
        yield (
            f"no good version is known of {_some(source.unknown)}, so no removals are sent until it can be"
            " read, or --accept-missing is set"
        )
    if source.stale:
        since = f" since {_time(source.stale_since_s)}" if source.stale_since_s else ""
        kept = ", keeping its last report" if source.synced else ""
        yield f"failed and is being retried{since}{kept}: {source.error or 'no error text'}"
    if source.hold is not None:
        yield (
            f"the loss of {source.hold.endpoints} endpoints of {source.hold.services} services"
            f" ({_some(source.hold.names, source.hold.services)}) is held until {_time(source.hold.until)},"
            " since nobody removed them one by one"
        )
    if source.faults:
        yield _faulty(source.faults)
    if source.warnings:
        yield _doubtful(source.warnings)


def _faulty(faults: Sequence[FaultStatus]) -> str:
    """The number of faults, what is in force in their place, and the first fault."""
    standings = Counter(fault.in_force for fault in faults)
    in_force = ", ".join(f"{number} x {standing}" for standing, number in standings.items())
    return f"{_count(faults, 'fault')} in what it reads ({in_force}), first {_first(faults)}"


def _doubtful(warnings: Sequence[FaultStatus]) -> str:
    return f"{_count(warnings, 'warning')} of what it reads, first {_first(warnings)}"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S UTC")


def _count(faults: Sequence[FaultStatus], noun: str) -> str:
    return f"{len(faults)} {noun}" + "s" * (len(faults) > 1)


def _first(faults: Sequence[FaultStatus]) -> str:
    first = faults[0]
    return ": ".join(part for part in (first.place, first.field, first.message) if part)


def _some(names: Sequence[str], count: int = 0) -> str:
    """The first few names, and how many more there are."""
    more = (count or len(names)) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
