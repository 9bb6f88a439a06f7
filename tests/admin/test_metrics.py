"""The metrics, as Prometheus' own parser reads them."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pilothouse.admin.status import Status

IDLE = Status(version="1", started_at=0.0)


@pytest.fixture
def scrape(ask):
    """The samples of a Status as `{name: {label values in the order of names: number}}`."""

    async def samples(status: Status) -> dict[str, dict[tuple[str, ...], float]]:
        async with ask(status) as client:
            answer = await client.get("/metrics")
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        found: dict[str, dict[tuple[str, ...], float]] = {}
        for family in text_string_to_metric_families(answer.text):
            for sample in family.samples:
                values = tuple(value for _, value in sorted(sample.labels.items()))
                assert values not in found.setdefault(sample.name, {}), "a series must be there once"
                found[sample.name][values] = sample.value
        return found

    return samples


EXPECTED = {
    "build_info": {("1.2.3",): 1},
    "ready": {(): 0},
    "draining": {(): 0},
    "services": {(): 3},
    "endpoints": {("yes",): 9, ("late",): 0, ("partly",): 1, ("no",): 2},
    "excluded_endpoints": {("not-ready",): 2, ("port-name-mismatch",): 1},
    "unserved_services": {(): 1},
    "event_loop_delay_seconds_bucket": {("0.01",): 8, ("+Inf",): 9},
    "event_loop_delay_seconds_count": {(): 9},
    "event_loop_delay_seconds_sum": {(): 0.5},
    "resources": {("CDS",): 3, ("EDS",): 4},
    "quarantined_services": {(): 1},
    "quarantined": {("shop/payments",): 1},
    "left_out": {("not-ready",): 2, ("unsupported-kind",): 1},
    "source_synced": {("files",): 1, ("consul",): 0},
    "source_stale": {("files",): 0, ("consul",): 1},
    "source_faults": {("files",): 1, ("consul",): 0},
    "source_warnings": {("files",): 1, ("consul",): 0},
    "source_services": {("files",): 3, ("consul",): 0},
    "source_unknown": {("files",): 0, ("consul",): 0},
    "source_held_services": {("files",): 0, ("consul",): 0},
    "source_held_endpoints": {("files",): 0, ("consul",): 0},
    "source_last_report_timestamp_seconds": {("files",): 1_700_000_100},
    "certificate_expiry_timestamp_seconds": {("/tls/tls.crt",): 1_800_000_000},
    "certificates_stale": {(): 1},
    "dns_answers_total": {("NOERROR", "A"): 5, ("NXDOMAIN", "A"): 2},
    "dns_forwarded_total": {("answered",): 3},
    "publish_queue_age_seconds": {(): 0.25},
    "revisions_total": {("files",): 14},
    "revisions_pending": {("files",): 3},
    "revisions_unneeded_total": {("files",): 2},
    "revisions_incomplete_total": {("files",): 2},
    "revisions_rejected_total": {("files",): 1},
    "propagation_seconds_bucket": {("0.01", "files"): 3, ("0.1", "files"): 5, ("+Inf", "files"): 6},
    "propagation_seconds_count": {("files",): 6},
    "propagation_seconds_sum": {("files",): 1.5},
    "streams": {("sotw",): 0, ("delta",): 2},
    "proxies": {("SYNCED",): 0, ("STALE",): 1, ("NACKED",): 1},
    "subscriptions_oldest_unanswered_seconds": {("CDS",): 0, ("EDS",): 12.5},
    "subscriptions_awaiting_ack": {("CDS",): 0, ("EDS",): 1},
    "subscriptions_lagging": {("CDS",): 0, ("EDS",): 1},
    "subscriptions_rejected": {("CDS",): 1, ("EDS",): 0},
    "pushes_total": {("CDS", "sotw"): 5, ("CDS", "delta"): 6},
    "requests_total": {("CDS",): 9},
    "rejects_total": {("CDS",): 1},
    "streams_opened_total": {(): 4},
    "streams_closed_total": {(): 2},
    "bad_requests_total": {(): 1},
    "unknown_names_total": {(): 7},
    "stale_resent_total": {(): 2},
    "stale_closed_total": {(): 1},
    "journal_lost_total": {(): 3},
    "traces_sent_total": {(): 4},
    "traces_lost_total": {(): 5},
    "sent_bytes_total": {(): 12345},
}


async def test_everything_in_a_status_becomes_a_metric(scrape, busy) -> None:
    found = await scrape(busy)
    ours = {name.removeprefix("pilothouse_"): found[name] for name in found if name.startswith("pilothouse_")}
    ages = ours.pop("source_age_seconds")
    assert ages == {("files",): 0, ("consul",): pytest.approx(time.time() - busy.started_at, abs=60)}
    assert ours == EXPECTED


async def test_a_source_is_as_old_as_its_failure(scrape, busy) -> None:
    failing = replace(busy.sources[0], stale=True, stale_since_s=time.time() - 100)
    found = await scrape(replace(busy, sources=(failing,)))
    assert found["pilothouse_source_age_seconds"] == {("files",): pytest.approx(100, abs=60)}


async def test_the_gauge_of_readiness_says_what_readyz_says(scrape, busy) -> None:
    ready = replace(busy, sources=busy.sources[:1])
    assert (await scrape(ready))["pilothouse_ready"] == {(): 1}
    assert (await scrape(replace(ready, draining=True)))["pilothouse_draining"] == {(): 1}
    assert (await scrape(replace(ready, draining=True)))["pilothouse_ready"] == {(): 0}


async def test_an_idle_process_shows_its_zeros(scrape) -> None:
    found = await scrape(IDLE)
    assert found["pilothouse_publish_queue_age_seconds"] == {(): 0}
    assert found["pilothouse_quarantined_services"] == {(): 0}
    assert found["pilothouse_streams_opened_total"] == {(): 0}


async def test_a_label_is_escaped(scrape, busy) -> None:
    odd = 'a"b\\c\nd'
    found = await scrape(replace(busy, sources=(replace(busy.sources[0], name=odd),)))
    assert found["pilothouse_source_synced"] == {(odd,): 1}


async def test_the_process_itself_is_measured(scrape) -> None:
    found = await scrape(IDLE)
    assert found["python_gc_collections_total"]
    assert found["python_info"]
    assert found["process_resident_memory_bytes"][()] > 1 << 20


async def test_two_admins_in_one_process_do_not_see_each_other(scrape, busy) -> None:
    assert (await scrape(busy))["pilothouse_services"] == {(): 3}
    assert (await scrape(IDLE))["pilothouse_services"] == {(): 0}
