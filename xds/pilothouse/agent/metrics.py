"""What a resolver counts, in the text format of Prometheus."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from pilothouse import __version__
from pilothouse.admin.metrics import counter, gauge, of_names
from pilothouse.admin.status import NamesStatus


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one moment. `heard_at` is Unix time of the control plane's last word, if there was one."""

    names: NamesStatus
    saved: int
    services: int
    connected: bool
    rejected: int
    heard_at: float | None


class AgentCollector(Collector):
    """All metrics of one moment."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        counts = self._counts
        yield InfoMetricFamily("pilothouse_build", "The running version.", {"version": __version__})
        yield gauge("dns_services", "Services whose names are known.", counts.services)
        yield gauge("dns_control_plane_connected", "1 while the control plane is heard.", counts.connected)
        if counts.heard_at is not None:
            since_s = max(0.0, time.time() - counts.heard_at)
            yield gauge("dns_last_told_seconds", "Since the control plane has told of names.", since_s)
        saved = "Questions that resolvers did not have to ask, because their search list is known."
        yield counter("dns_searches_saved", saved, counts.saved)
        rejected = "Responses of the control plane with something that could not be used."
        yield counter("dns_responses_rejected", rejected, counts.rejected)
        yield from of_names(counts.names)


def exposition(counts: Counts) -> bytes:
    """What is scraped."""
    registry = CollectorRegistry()
    registry.register(AgentCollector(counts))
    ProcessCollector(registry=registry)
    return generate_latest(registry)
