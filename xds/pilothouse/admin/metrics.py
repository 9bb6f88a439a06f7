"""Prometheus metrics, computed when they are scraped, so that the push path need not count everything.

Labels are types, variants, sources, reasons, files and quarantined services. A node id is never a label: each
of thousands of sidecars that come and go would leave a series behind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from pilothouse.admin.readiness import readiness
from pilothouse.admin.status import (
    CertificatesStatus,
    Counters,
    PropagationStatus,
    Questions,
    SourceStatus,
    StreamStatus,
)

Samples = Iterable[tuple[Sequence[str], float]]
"""Label values, in the order of the labels' names, and the number."""


class StatusCollector(Collector):
    """Computes all metrics again at each scrape."""

    def __init__(self, read: Callable[[], Questions]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        status = self._read()
        return chain(
            _process(status),
            _catalogue(status),
            _sources(status.sources),
            _certificates(status.certificates),
            _streams(status.streams),
            _counts(status.counters),
            _propagation(status.propagation),
        )


def metrics(read: Callable[[], Questions]) -> CollectorRegistry:
    """A registry of our own. The global one of prometheus_client belongs to the program that embeds us."""
    registry = CollectorRegistry()
    registry.register(StatusCollector(read))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def _process(status: Questions) -> Iterator[Metric]:
    yield InfoMetricFamily("pilothouse_build", "The running version.", {"version": status.version})
    yield _gauge("ready", "1 if /readyz says ready.", readiness(status).ready)
    yield _gauge("draining", "1 while the process shuts down.", status.draining)


def _catalogue(status: Questions) -> Iterator[Metric]:
    yield _gauge("services", "Services in the registry.", status.services)
    yield _gauge("endpoints", "Endpoints in the registry.", status.endpoints)
    yield _gauges("resources", "Encoded xDS resources held.", ["type"], _single(status.resources))
    held_back = {quarantine.service: 1 for quarantine in status.quarantined}
    yield _gauge("quarantined_services", "Number of quarantined services.", len(held_back))
    about = "Endpoints, ports, routes, documents and other things that are left out."
    yield _gauges("left_out", about, ["reason"], _single(status.left_out))
    yield _gauges("quarantined", "1 for each quarantined service.", ["service"], _single(held_back))


def _sources(sources: Iterable[SourceStatus]) -> Iterator[Metric]:
    def each(name: str, about: str, value: Callable[[SourceStatus], float | None]) -> Metric:
        values = {source.name: value(source) for source in sources}
        known = {source: number for source, number in values.items() if number is not None}
        return _gauges(f"source_{name}", about, ["source"], _single(known))

    yield each("synced", "1 once the source has reported.", lambda source: source.synced)
    yield each("stale", "1 while the source fails and is retried.", lambda source: source.stale)
    about = "Since when the source fails; absent while it does not."
    yield each("stale_since_timestamp_seconds", about, lambda source: source.stale_since_s)
    yield each("faults", "Places in the backend that cannot be read.", lambda source: len(source.faults))
    yield each("warnings", "Warnings about places in the backend.", lambda source: len(source.warnings))
    yield each("services", "Services of the source that are in force.", lambda source: source.services)
    yield each("unknown", "Places without a known good version.", lambda source: len(source.unknown))
    yield each("held_services", "Services whose loss is held.", lambda s: s.hold.services if s.hold else 0)
    yield each("held_endpoints", "Endpoints whose loss is held.", lambda s: s.hold.endpoints if s.hold else 0)
    yield each(
        "last_report_timestamp_seconds", "When the source last reported.", lambda source: source.last_report_s
    )


def _certificates(files: CertificatesStatus) -> Iterator[Metric]:
    about = "When the certificates in a file expire."
    yield _gauges("certificate_expiry_timestamp_seconds", about, ["file"], _single(files.expires_s))
    yield _gauge("certificates_stale", "1 while the present certificate files cannot be used.", files.stale)


def _streams(streams: Iterable[StreamStatus]) -> Iterator[Metric]:
    variants: Counter[str] = Counter(sotw=0, delta=0)
    awaiting: Counter[str] = Counter()
    lagging: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    for stream in streams:
        variants[stream.variant] += 1
        for subscription in stream.subscriptions:
            # A type with a subscription shows its zero, so that an alert can see the value return to 0.
            awaiting[subscription.type] += subscription.awaiting_ack
            lagging[subscription.type] += subscription.lagging
            rejected[subscription.type] += bool(subscription.last_error)
    yield _gauges("streams", "Open streams; with ADS, one for each sidecar.", ["variant"], _single(variants))
    yield _gauges("subscriptions_awaiting_ack", "Responses not answered yet.", ["type"], _single(awaiting))
    yield _gauges(
        "subscriptions_lagging", "Responses not answered for more than 10 s.", ["type"], _single(lagging)
    )
    yield _gauges(
        "subscriptions_rejected",
        "Subscriptions whose last response was rejected.",
        ["type"],
        _single(rejected),
    )


def _counts(counters: Counters) -> Iterator[Metric]:
    yield _counters("pushes", "Responses sent.", ["type", "variant"], counters.pushes.items())
    yield _counters("requests", "Requests received.", ["type"], _single(counters.requests))
    yield _counters("rejects", "NACKs received.", ["type"], _single(counters.rejects))
    yield _counter("streams_opened", "Streams opened.", counters.streams_opened)
    yield _counter("streams_closed", "Streams closed.", counters.streams_closed)
    yield _counter("bad_requests", "Streams refused because of a bad request.", counters.bad_requests)
    yield _counter("unknown_names", "Requests for endpoints of unknown clusters.", counters.unknown_names)
    yield _counter("sent_bytes", "Bytes of responses sent.", counters.bytes_sent)


def _propagation(sources: Sequence[PropagationStatus]) -> Iterator[Metric]:
    def each(name: str, about: str, value: Callable[[PropagationStatus], int]) -> Metric:
        return _counters(name, about, ["source"], _single({one.source: value(one) for one in sources}))

    yield each("revisions", "Reports that changed something.", lambda one: one.revisions)
    yield each(
        "revisions_incomplete", "Revisions that a client did not answer in time.", lambda one: one.incomplete
    )
    yield each("revisions_rejected", "Revisions that a client rejected.", lambda one: one.rejected)
    about = "Seconds from a change at the source to the last client's answer."
    family = HistogramMetricFamily("pilothouse_propagation_seconds", about, labels=["source"])
    for one in sources:
        bounds = [*map(str, one.bounds), "+Inf"]
        family.add_metric([one.source], [*zip(bounds, one.seconds, strict=True)], one.total_s)
    yield family


def _single(numbers: Mapping[str, float]) -> Samples:
    return (((value,), number) for value, number in numbers.items())


def _gauge(name: str, about: str, number: float) -> Metric:
    return GaugeMetricFamily(f"pilothouse_{name}", about, value=float(number))


def _counter(name: str, about: str, number: int) -> Metric:
    return CounterMetricFamily(f"pilothouse_{name}", about, value=number)


def _gauges(name: str, about: str, labels: Sequence[str], samples: Samples) -> Metric:
    family = GaugeMetricFamily(f"pilothouse_{name}", about, labels=labels)
    for values, number in samples:
        family.add_metric(values, float(number))
    return family


def _counters(name: str, about: str, labels: Sequence[str], samples: Samples) -> Metric:
    family = CounterMetricFamily(f"pilothouse_{name}", about, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family
