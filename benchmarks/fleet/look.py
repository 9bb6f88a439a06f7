"""What the control plane says of its streams: one look at its metrics. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

TYPES = ("CDS", "EDS", "LDS", "RDS")


@dataclass(frozen=True, slots=True)
class Look:
    """Open streams; by type, the requests, the responses sent, and those that are unanswered; NACKs."""

    streams: int
    requests: Counter[str]
    pushes: Counter[str]
    awaiting: Counter[str]
    rejects: int

    @property
    def answered(self) -> Counter[str]:
        """The responses that were acknowledged, or rejected, by type."""
        return self.pushes - self.awaiting

    def settled(self, envoys: int) -> bool:
        """Whether so many Envoys are connected, have asked for every type, and owe no answer."""
        asked = all(self.requests[type] >= envoys for type in TYPES)
        return self.streams == envoys and asked and not self.awaiting.total()


def look(metrics: str) -> Look:
    """From the text of /metrics."""
    families = {family.name: family for family in text_string_to_metric_families(metrics)}

    def by_type(name: str) -> Counter[str]:
        found: Counter[str] = Counter()
        for sample in families[f"pilothouse_{name}"].samples:
            found[sample.labels["type"]] += int(sample.value)
        return found

    return Look(
        streams=int(sum(sample.value for sample in families["pilothouse_streams"].samples)),
        requests=by_type("requests"),
        pushes=by_type("pushes"),
        awaiting=by_type("subscriptions_awaiting_ack"),
        rejects=by_type("rejects").total(),
    )
