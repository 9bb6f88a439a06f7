"""Who of several replicas acts: the algorithm of client-go's leader election, as a state machine. Pure.

Clocks of machines are never compared. A candidate watches whether the record changes; a holder whose record
has not changed for its duration, by the candidate's own clock, is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple


class Terms(NamedTuple):
    """In seconds: how long a holder is believed, how long one may fail to renew, how often one tries."""

    duration: float = 15.0
    renewal: float = 10.0
    retry: float = 2.0


USUAL = Terms()


@dataclass(frozen=True, slots=True)
class Record:
    """The `spec` of a Lease, and the resourceVersion that it was read at. Nobody holds it without a holder.

    Times are as the API server has them: text that is compared, and never computed with.
    """

    holder: str = ""
    duration_s: float = 0.0
    acquired: str = ""
    renewed: str = ""
    transitions: int = 0
    version: str = ""

    def same_as(self, other: Record | None) -> bool:
        """Whether nobody has renewed it in between."""
        return other is not None and replace(self, version="") == replace(other, version="")


def read(document: Mapping[str, Any]) -> Record:
    """The record of a Lease as the API server shows it. What is missing or odd counts as absent."""
    spec, meta = document.get("spec") or {}, document.get("metadata") or {}
    return Record(
        str(spec.get("holderIdentity") or ""),
        _number(spec.get("leaseDurationSeconds")),
        str(spec.get("acquireTime") or ""),
        str(spec.get("renewTime") or ""),
        int(_number(spec.get("leaseTransitions"))),
        str(meta.get("resourceVersion") or ""),
    )


def written(record: Record, namespace: str, name: str) -> dict[str, Any]:
    """A record as a Lease. Without a version it is to be created."""
    meta = {"name": name, "namespace": namespace}
    if record.version:
        meta["resourceVersion"] = record.version
    spec = {
        "holderIdentity": record.holder,
        "leaseDurationSeconds": max(1, round(record.duration_s)),
        "acquireTime": record.acquired or None,
        "renewTime": record.renewed,
        "leaseTransitions": record.transitions,
    }
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec}


class Election:
    """What one candidate knows. `now` is in seconds of its own monotonic clock."""

    def __init__(
        self, identity: str, terms: Terms = USUAL, stamp: Callable[[], str] = lambda: _stamp()
    ) -> None:
        """`stamp` is the time of day as a Lease has it, for people who read the record."""
        self.identity, self.terms = identity, terms
        self._stamp = stamp
        self._seen: Record | None = None
        self._changed_at = 0.0  # when the record was first seen as it is
        self._renewed_at: float | None = None  # while it is ours
        #: How often it has begun to lead. To lead again after a failure to renew counts anew.
        self.elections = 0

    def leads(self, now: float) -> bool:
        """Whether this candidate may act. Ends by itself if it cannot renew, before others take over."""
        return self._renewed_at is not None and now < self._renewed_at + self.terms.renewal

    @property
    def holder(self) -> str:
        """Who holds the record, as far as is known."""
        return self._seen.holder if self._seen else ""

    def wanted(self, seen: Record | None, now: float) -> Record | None:
        """The record to write instead of what the API server shows. None: another candidate leads."""
        if seen is None:
            self._seen, self._renewed_at = None, None
            time = self._stamp()
            return Record(self.identity, self.terms.duration, time, time)
        if not seen.same_as(self._seen):
            self._changed_at = now
        self._seen = seen
        if seen.holder == self.identity:
            return replace(seen, renewed=self._stamp(), duration_s=self.terms.duration)
        self._renewed_at = None
        if seen.holder and now < self._changed_at + max(seen.duration_s, self.terms.duration):
            return None
        time = self._stamp()
        return Record(self.identity, self.terms.duration, time, time, seen.transitions + 1, seen.version)

    def taken(self, record: Record, asked: float, now: float) -> None:
        """The API server has taken what was `wanted`. It may have done so since it was `asked`."""
        self.elections += not self.leads(now)
        self._seen, self._changed_at, self._renewed_at = record, now, asked

    def given_up(self, seen: Record | None) -> Record | None:
        """The record that lets others in at once, instead of what the API server shows. None if that is not
        ours.
        """
        self._renewed_at = None
        if seen is None or seen.holder != self.identity:
            return None
        return replace(seen, holder="", duration_s=1.0, renewed=self._stamp())


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def _stamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
