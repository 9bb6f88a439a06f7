"""Whether this process may be given sidecars, and why not, in words. Pure.

Only what a restart elsewhere could mend makes it not ready. A source that fails, a broken file and
a quarantined service leave the last good state in force, so they warn: were they to take the
process out, one bad manifest would cut every sidecar off from the changes of all other services.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pilothouse.admin.status import SourceStatus, Status


@dataclass(frozen=True, slots=True)
class Readiness:
    """`reasons` keep it from being ready; `warnings` ask for a person but do not."""

    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        return not self.reasons


def readiness(status: Status) -> Readiness:
    return Readiness(tuple(_reasons(status)), tuple(_warnings(status)))


def explain(source: SourceStatus) -> str:
    """What is the matter with one source; `reported` when nothing is."""
    return "; ".join(_complaints(source)) or "reported"


def _reasons(status: Status) -> Iterator[str]:
    if status.draining:
        yield "draining: this process is about to exit"
    if not status.sources:
        # Nothing to report is not the same as a report of nothing: sidecars would be told to forget all.
        yield "there is no source of services"
    for source in status.sources:
        if not source.synced:
            yield f"source {source.name}: {explain(source)}"


def _warnings(status: Status) -> Iterator[str]:
    for source in status.sources:
        if source.synced and any(_complaints(source)):
            yield f"source {source.name}: {explain(source)}"
    for quarantine in status.quarantined:
        held = f"service {quarantine.service} is quarantined, its last good version is served"
        yield f"{held}: {quarantine.reason}"


def _complaints(source: SourceStatus) -> Iterator[str]:
    if not source.synced:
        yield "has not reported yet"
    if source.stale:
        kept = ", its last report stays in force" if source.synced else ""
        yield f"failed and is being retried{kept}: {source.error or 'no error text'}"
    if source.faults:
        count = f"{len(source.faults)} fault" + "s" * (len(source.faults) > 1)
        yield f"{count} in what it reads, what that said before stays in force"
