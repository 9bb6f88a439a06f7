"""What a resolver counts, in the text format of Prometheus."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from pilothouse import __version__


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one moment. `heard_at` is Unix time of the control plane's last word, if there was one."""

    answered: Mapping[tuple[str, str], int]
    forwarded: Mapping[str, int]
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
        yield _gauge("dns_services", "Services whose names are known.", counts.services)
        yield _gauge("dns_control_plane_connected", "1 while the control plane is heard.", counts.connected)
        if counts.heard_at is not None:
            since_s = max(0.0, time.time() - counts.heard_at)
            yield _gauge("dns_last_told_seconds", "Since the control plane has told of names.", since_s)
        saved = "Questions that resolvers did not have to ask, because their search list is known."
        yield _counter("dns_searches_saved", saved, [], [((), counts.saved)])
        rejected = "Responses of the control plane with something that could not be used."
        yield _counter("dns_responses_rejected", rejected, [], [((), counts.rejected)])
        yield _counter("dns_answers", "Answers over DNS.", ["type", "rcode"], counts.answered.items())
        outcomes = [((outcome,), number) for outcome, number in counts.forwarded.items()]
        about = "Names looked up elsewhere: answered, remembered, stale (nobody answered any more) or failed."
        yield _counter("dns_forwarded", about, ["outcome"], outcomes)


def exposition(counts: Counts) -> bytes:
    """What is scraped."""
    registry = CollectorRegistry()
    registry.register(AgentCollector(counts))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"pilothouse_{name}", about, value)


def _counter(name: str, about: str, labels: list[str], values: Iterable[tuple[Sequence[str], int]]) -> Metric:
    family = CounterMetricFamily(f"pilothouse_{name}", about, labels=labels)
    for of, value in values:
        family.add_metric(of, value)
    return family
