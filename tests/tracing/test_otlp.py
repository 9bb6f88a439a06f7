"""Traces on their way: what arrives, and what becomes of them if the collector does not take them."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from pilothouse.structures.threads import on_a_thread
from pilothouse.tracing import otlp
from pilothouse.tracing.otlp import Otlp, Unusable
from pilothouse.tracing.spans import Span

from ..authority import Authority, replace
from ..ports import free_port
from .collector import Collector, attributes, collecting

S = 1_000_000_000


def trace(*children: Span, number: int = 7, error: str = "") -> Span:
    said = {"pilothouse.change.number": number}
    return Span("change", 1000 * S, 1005 * S, said, error, children)


def answer(node: str, error: str = "") -> Span:
    return Span("answer", 1003 * S, 1004 * S, {"pilothouse.proxy": node}, error)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No variables of OpenTelemetry but those that a test sets, and its logger as it was."""
    import os

    for each in [each for each in os.environ if each.startswith("OTEL_")]:
        monkeypatch.delenv(each)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    logger = logging.getLogger("opentelemetry")
    before = logger.handlers[:], logger.propagate
    yield
    logger.handlers[:], logger.propagate = before


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


async def test_a_trace_arrives_with_its_times_parents_and_errors(
    collector: Collector, eventually: Any
) -> None:
    sender = Otlp(collector.endpoint, "one")
    sender.offer(
        7, trace(answer("web-1"), answer("web-2", "no such thing"), error="1 of 2 answers reject it")
    )
    await eventually(lambda: sender.sent == 1)
    [(root, first, second)] = collector.traces().values()
    assert (root.start_time_unix_nano, root.end_time_unix_nano) == (1000 * S, 1005 * S)
    assert not root.parent_span_id
    assert {first.parent_span_id, second.parent_span_id} == {root.span_id}
    assert (first.start_time_unix_nano, first.end_time_unix_nano) == (1003 * S, 1004 * S)
    assert attributes(second.attributes) == {"pilothouse.proxy": "web-2"}
    assert (root.status.code, root.status.message) == (2, "1 of 2 answers reject it")
    assert [first.status.code, second.status.code] == [0, 2]
    assert root.trace_id.hex() == sender.traced(7) != sender.traced(8)
    await sender.close()


async def test_what_waits_is_sent_at_the_end(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
    sender = Otlp(collector.endpoint, "one")
    sender.offer(7, trace())
    await sender.close()
    assert [*collector.traces()] == [7]
    assert (sender.sent, sender.lost) == (1, 0)


async def test_the_standard_variables_count(
    collector: Collector, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mesh")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=night,service.instance.id=mine")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20secret")
    sender = Otlp(collector.endpoint, "one")
    sender.offer(7, trace())
    await eventually(lambda: sender.sent == 1)
    [resource], [headers] = collector.resources, collector.headers
    assert headers["authorization"] == "Bearer secret"
    said = {key: resource[key] for key in ("service.name", "deployment.environment", "service.instance.id")}
    assert said == {
        "service.name": "mesh",
        "deployment.environment": "night",
        "service.instance.id": "mine",
    }
    await sender.close()


async def test_without_variables_it_is_pilothouse(collector: Collector, eventually: Any) -> None:
    sender = Otlp(collector.endpoint, "one")
    sender.offer(7, trace())
    await eventually(lambda: sender.sent == 1)
    [resource] = collector.resources
    assert (resource["service.name"], resource["service.instance.id"]) == ("pilothouse", "one")
    await sender.close()


async def test_the_collector_and_we_prove_who_we_are_by_the_certificates_of_the_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eventually: Any
) -> None:
    authority = Authority()
    theirs = authority.issue("127.0.0.1")
    mine, key = authority.issue("pilothouse.example").write(tmp_path, "mine")
    tls = grpc.ssl_server_credentials([(theirs.key, theirs.cert)], authority.pem, require_client_auth=True)
    with collecting(tls=tls) as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", replace(tmp_path / "ca.crt", authority.pem))
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", mine)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CLIENT_KEY", key)
        sender = Otlp(collector.endpoint, "one")
        sender.offer(7, trace())
        await eventually(lambda: sender.sent == 1)
        await sender.close()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", replace(tmp_path / "ca.crt", Authority().pem))
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
        sender = Otlp(collector.endpoint, "one")
        sender.offer(8, trace(number=8))
        await eventually(lambda: sender.lost == 1)
        await sender.close()
    assert [*collector.traces()] == [7]


async def test_a_change_that_is_not_sampled_has_no_trace_and_no_id(
    collector: Collector, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    sender = Otlp(collector.endpoint, "one")
    for number in range(100):
        sender.offer(number, trace(answer("web-1"), number=number))
    named = {number for number in range(100) if sender.traced(number)}
    assert 10 < len(named) < 90
    await eventually(lambda: sender.sent == len(named))
    assert {*collector.traces()} == named
    assert len(collector.spans) == 2 * len(named)
    await sender.close()


async def test_a_collector_that_is_away_costs_whole_traces_and_no_time(
    monkeypatch: pytest.MonkeyPatch, eventually: Any, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "100")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    port = free_port()
    sender = Otlp(f"http://127.0.0.1:{port}", "one")
    for number in range(1000):
        sender.offer(number, trace(answer("web-1"), number=number))
    assert sender.lost >= 940, "no more than fit wait"
    await eventually(lambda: sender.failure)
    assert f"127.0.0.1:{port}" in sender.failure
    assert re.search("UNAVAILABLE|DEADLINE_EXCEEDED", sender.failure)
    await eventually(lambda: sender.lost == 1000)
    with collecting(port) as collector:

        async def arrives() -> bool:
            sender.offer(2000, trace(answer("web-1"), number=2000))
            await asyncio.sleep(0.05)
            return sender.sent > 0

        await eventually(arrives)
        assert sender.failure == ""
        assert 2000 in collector.traces()
        await sender.close()
    assert caplog.text == "", "the SDK's own lines are kept from the log"


async def test_a_trace_is_lost_whole_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, eventually: Any, collector: Collector
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "50")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "7")
    collector.go.clear()
    sender = Otlp(collector.endpoint, "one")
    for number in range(500):
        sender.offer(number, trace(answer("web-1"), answer("web-2"), number=number))
    assert sender.lost == 500 - 16
    collector.go.set()
    await eventually(lambda: sender.sent == 16)
    await eventually(lambda: len(collector.spans) == 48)
    assert {len(each) for each in collector.traces().values()} == {3}
    await sender.close()


async def test_a_queue_that_is_no_longer_than_a_batch_is_sent_before_it_is_full(
    monkeypatch: pytest.MonkeyPatch, eventually: Any, collector: Collector
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "60")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
    sender = Otlp(collector.endpoint, "one")
    for number in range(10):
        sender.offer(number, trace(answer("web-1"), answer("web-2"), number=number))
    await eventually(lambda: sender.sent == 10)
    await sender.close()


async def test_the_end_does_not_wait_for_a_collector_that_hangs(
    monkeypatch: pytest.MonkeyPatch, collector: Collector, eventually: Any
) -> None:
    monkeypatch.setattr(otlp, "_END_S", 0.2)
    collector.go.clear()
    sender = Otlp(collector.endpoint, "one")
    sender.offer(7, trace())
    await eventually(lambda: collector.requests)
    await asyncio.wait_for(sender.close(), 30)
    exporter: Any = sender._counted._exporter
    assert exporter._shutdown, "what is under way is cancelled"
    worker = sender._processor._batch_processor._worker_thread
    await asyncio.wait_for(on_a_thread(lambda: worker.join(), "join"), 30)
    assert sender.lost == 1


async def test_a_collector_that_refuses_is_quoted(collector: Collector, eventually: Any) -> None:
    collector.status = grpc.StatusCode.UNAUTHENTICATED
    sender = Otlp(collector.endpoint, "one")
    sender.offer(7, trace())
    await eventually(lambda: sender.failure)
    assert "UNAUTHENTICATED" in sender.failure
    assert "the collector says no" in sender.failure
    assert (sender.sent, sender.lost) == (0, 1)
    await sender.close()


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zip", "OTEL_EXPORTER_OTLP_COMPRESSION"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon", "soon"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many", "OTEL_BSP_MAX_QUEUE_SIZE must be a whole number .* not 'many'"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "-1", "OTEL_BSP_MAX_QUEUE_SIZE must be"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "9" * 20, "OTEL_BSP_MAX_QUEUE_SIZE must be"),
        ("OTEL_BSP_SCHEDULE_DELAY", "9" * 30, "OTEL_BSP_SCHEDULE_DELAY must be"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "1.5", "OTEL_BSP_EXPORT_TIMEOUT must be"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE must be"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem", "/nowhere/ca.pem"),
    ],
)
def test_a_variable_that_makes_no_sense_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(Unusable, match=said) as raised:
        Otlp("https://127.0.0.1:4317", "one")
    assert "\n" not in str(raised.value)


def test_a_header_that_makes_no_sense_is_not_quoted(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "Bearer-secret")
    sender = Otlp("http://127.0.0.1:1", "one")
    assert "secret" not in caplog.text + sender._counted._said.last
