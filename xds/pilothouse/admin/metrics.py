"""Prometheus metrics, computed when they are scraped, so that the push path need not count everything.

Labels are types, variants, states, sources, reasons, files and quarantined services. A node id is never a
label: each of thousands of sidecars that come and go would leave a series behind.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
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
    HistogramStatus,
    NamesStatus,
    PropagationStatus,
    Questions,
    SourceStatus,
    StreamsStatus,
    TypeStatus,
)

Samples = Iterable[tuple[Sequence[str], float]]
"""Label values, in the order of the labels' names, and the number."""


class StatusCollector(Collector):
    """All metrics of one moment."""

    def __init__(self, status: Questions, streams: StreamsStatus) -> None:
        self._status, self._streams = status, streams

    def collect(self) -> Iterator[Metric]:
        status = self._status
        return chain(
            _process(status),
            _catalogue(status),
            _sources(status),
            _certificates(status.certificates),
            _streams(self._streams),
            _counts(status.counters),
            of_names(status.names),
            _propagation(status.propagation, status.unpublished_s),
        )


def exposition(status: Questions, streams: StreamsStatus) -> bytes:
    """What is scraped, in the text format of Prometheus."""
    # A registry of our own. The global one of prometheus_client belongs to the program that embeds us.
    registry = CollectorRegistry()
    registry.register(StatusCollector(status, streams))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return generate_latest(registry)


def _process(status: Questions) -> Iterator[Metric]:
    yield InfoMetricFamily("pilothouse_build", "The running version.", {"version": status.version})
    yield gauge("ready", "1 if /readyz says ready.", readiness(status).ready)
    yield gauge("draining", "1 while the process shuts down.", status.draining)
    about = "Seconds that work had to wait for the event loop, looked at several times a second."
    yield _histogram("event_loop_delay_seconds", about, [], [([], status.loop_delay)])


def _catalogue(status: Questions) -> Iterator[Metric]:
    yield gauge("services", "Services in the registry.", status.services)
    about = "Endpoints in the registry, by whether they are called at their ports: yes, late, partly or no."
    yield _gauges("endpoints", about, ["called"], _single(status.called))
    about = "Endpoints that are not called at all of their ports, each with its first reason."
    yield _gauges("excluded_endpoints", about, ["reason"], _single(status.excluded))
    about = "Services that have endpoints of which none is called."
    yield gauge("unserved_services", about, status.unserved.services)
    yield _gauges("resources", "Encoded xDS resources held.", ["type"], _single(status.resources))
    held_back = {quarantine.service: 1 for quarantine in status.quarantined}
    yield gauge("quarantined_services", "Number of quarantined services.", len(held_back))
    about = "Endpoints, ports, routes, documents and other things that are left out."
    yield _gauges("left_out", about, ["reason"], _single(status.left_out))
    yield _gauges("quarantined", "1 for each quarantined service.", ["service"], _single(held_back))


def _sources(status: Questions) -> Iterator[Metric]:
    sources, now = status.sources, time.time()

    def age_s(source: SourceStatus) -> float:
        if source.synced and not source.stale:
            return 0.0
        return max(0.0, now - (source.stale_since_s or status.started_at))

    def each(name: str, about: str, value: Callable[[SourceStatus], float | None]) -> Metric:
        values = {source.name: value(source) for source in sources}
        known = {source: number for source, number in values.items() if number is not None}
        return _gauges(f"source_{name}", about, ["source"], _single(known))

    yield each("synced", "1 once the source has reported.", lambda source: source.synced)
    yield each("stale", "1 while the source fails and is retried.", lambda source: source.stale)
    about = "Since when the source fails; absent while it does not."
    yield each("stale_since_timestamp_seconds", about, lambda source: source.stale_since_s)
    about = "For how long the source has failed or has not reported yet; 0 while it is followed."
    yield each("age_seconds", about, age_s)
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
    yield gauge("certificates_stale", "1 while the present certificate files cannot be used.", files.stale)


def _streams(streams: StreamsStatus) -> Iterator[Metric]:
    yield _gauges(
        "streams", "Open streams; with ADS, one for each sidecar.", ["variant"], _single(streams.variants)
    )
    about = "Open streams, by the state of the type that needs most attention."
    yield _gauges("proxies", about, ["state"], _single(streams.states))

    def each(name: str, about: str, value: Callable[[TypeStatus], float]) -> Metric:
        # A type with a subscription shows its zero, so that an alert can see the value return to 0.
        numbers = {type: value(one) for type, one in streams.types.items()}
        return _gauges(f"subscriptions_{name}", about, ["type"], _single(numbers))

    yield each("awaiting_ack", "Responses not answered yet.", lambda one: one.awaiting_ack)
    about = "How long the oldest unanswered response has been so."
    yield each("oldest_unanswered_seconds", about, lambda one: one.oldest_s)
    yield each("lagging", "Responses not answered for more than 10 s.", lambda one: one.lagging)
    yield each("rejected", "Subscriptions whose last response was rejected.", lambda one: one.rejected)


def _counts(counters: Counters) -> Iterator[Metric]:
    yield _counters("pushes", "Responses sent.", ["type", "variant"], counters.pushes.items())
    yield _counters("requests", "Requests received.", ["type"], _single(counters.requests))
    yield _counters("rejects", "NACKs received.", ["type"], _single(counters.rejects))
    yield counter("streams_opened", "Streams opened.", counters.streams_opened)
    yield counter("streams_closed", "Streams closed.", counters.streams_closed)
    yield counter("bad_requests", "Streams refused because of a bad request.", counters.bad_requests)
    yield counter("unknown_names", "Requests for endpoints of unknown clusters.", counters.unknown_names)
    about = "Times that a client was sent the same again, because it did not answer for 20 s."
    yield counter("stale_resent", about, counters.stale_resent)
    about = "Streams ended because the client did not answer for 60 s."
    yield counter("stale_closed", about, counters.stale_closed)
    about = "Entries of the journal that could not be kept on the disk."
    yield counter("journal_lost", about, counters.journal_lost)
    yield counter("traces_sent", "Traces of changes that a collector has taken.", counters.traces_sent)
    yield counter("traces_lost", "Traces of changes that could not be sent.", counters.traces_lost)
    yield counter("sent_bytes", "Bytes of responses sent.", counters.bytes_sent)


def of_names(names: NamesStatus) -> Iterator[Metric]:
    """What was asked over DNS, of the control plane and of resolvers beside applications."""
    yield _counters("dns_answers", "Answers over DNS.", ["type", "rcode"], names.answered.items())
    about = "Names looked up elsewhere: answered, remembered, stale (nobody answered any more) or failed."
    yield _counters("dns_forwarded", about, ["outcome"], _single(names.forwarded))


def _propagation(sources: Sequence[PropagationStatus], unpublished_s: float) -> Iterator[Metric]:
    def values(value: Callable[[PropagationStatus], int]) -> Samples:
        return _single({one.source: value(one) for one in sources})

    def each(name: str, about: str, value: Callable[[PropagationStatus], int]) -> Metric:
        return _counters(name, about, ["source"], values(value))

    about = "How long the oldest change has waited that not all clients have been told of; 0 without any."
    yield gauge("publish_queue_age_seconds", about, unpublished_s)
    yield each("revisions", "Reports that changed something.", lambda one: one.revisions)
    about = "Revisions that are not published, or not answered by all clients, yet."
    yield _gauges("revisions_pending", about, ["source"], values(lambda one: one.pending))
    about = "Revisions that a client did not answer, because it left or took too long."
    yield each("revisions_incomplete", about, lambda one: one.incomplete)
    yield each("revisions_rejected", "Revisions that a client rejected.", lambda one: one.rejected)
    about = "Revisions that no client had to answer."
    yield each("revisions_unneeded", about, lambda one: one.unneeded)
    about = "Seconds from a change at the source to the last client's ACK, if no client rejected it."
    yield _histogram("propagation_seconds", about, ["source"], [([one.source], one.taken) for one in sources])


def _single(numbers: Mapping[str, float]) -> Samples:
    return (((value,), number) for value, number in numbers.items())


def gauge(name: str, about: str, number: float) -> Metric:
    """A metric of ours without labels."""
    return GaugeMetricFamily(f"pilothouse_{name}", about, value=float(number))


def counter(name: str, about: str, number: int) -> Metric:
    """A metric of ours without labels, which only grows."""
    return CounterMetricFamily(f"pilothouse_{name}", about, value=number)


def _gauges(name: str, about: str, labels: Sequence[str], samples: Samples) -> Metric:
    family = GaugeMetricFamily(f"pilothouse_{name}", about, labels=labels)
    for values, number in samples:
        family.add_metric(values, float(number))
    return family


def _histogram(
    name: str, about: str, labels: Sequence[str], samples: Iterable[tuple[Sequence[str], HistogramStatus]]
) -> Metric:
    family = HistogramMetricFamily(f"pilothouse_{name}", about, labels=labels)
    for values, seen in samples:
        bounds = [*map(str, seen.bounds), "+Inf"]
        family.add_metric(values, [*zip(bounds, seen.seconds, strict=True)], seen.total_s)
    return family


def _counters(name: str, about: str, labels: Sequence[str], samples: Samples) -> Metric:
    family = CounterMetricFamily(f"pilothouse_{name}", about, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family
