"""Changes as traces, at a collector that speaks OTLP, that is away, or that hangs; and without the extra."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from pilothouse.encoding.types import ResourceType

from ..ports import free_port
from ..tracing.collector import Collector, attributes, collecting
from .plane import PROGRAM, Plane, service, synced

NUMBER, OUTCOME = "pilothouse.change.number", "pilothouse.change.outcome"
PARTS = ("report", "wait", "translate", "deliver")
WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for each in [each for each in os.environ if each.startswith("OTEL_")]:
        monkeypatch.delenv(each)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., Plane]]:
    """Starts a control plane that serves `shop/cart`, with these flags."""
    with ExitStack() as stack:

        def start(*flags: str) -> Plane:
            found = Plane(tmp_path, *flags)
            found.write("cart.json", service("cart", "10.1.7.8", "10.1.7.9"))
            stack.callback(found.stop)
            found.start()
            return found

        yield start


@pytest.fixture
def plane(started: Callable[..., Plane], collector: Collector) -> Plane:
    return started("--otel-endpoint", collector.endpoint)


def metric(plane: Plane, name: str) -> float:
    text = httpx.get(f"http://{plane.admin}/metrics", trust_env=False, timeout=20).text
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))


def events(plane: Plane, event: str) -> list[dict[str, Any]]:
    return [each for each in map(json.loads, plane.log().splitlines()) if each["event"] == event]


async def test_a_change_is_a_trace_with_the_times_at_which_it_was_told_and_answered(
    plane: Plane, collector: Collector, client: Any, eventually: Any
) -> None:
    quick, slow = await synced(client, "web-1"), await synced(client, "web-2")
    plane.write("cart.json", service("cart", "10.1.7.8"))
    await quick.names()
    late = await slow.read()
    number = plane.get("changes")["items"][0]["number"]
    answered = lambda: plane.get(f"changes/{number}")["published"]["acknowledged"] == 1  # noqa: E731
    await eventually(answered)
    assert number not in collector.traces(), "it has not ended"
    await slow.accept(late)
    trace = await eventually(lambda: len(found := collector.traces().get(number, [])) == 7 and found)
    root, named = trace[0], {each.name: each for each in trace if each.name != "answer"}
    parts = report, wait, translate, deliver = [named[each] for each in PARTS]
    assert {each.parent_span_id for each in parts} == {root.span_id}
    answers = [each for each in trace if each.name == "answer"]
    assert {each.parent_span_id for each in answers} == {deliver.span_id}
    times = [
        root.start_time_unix_nano,
        report.end_time_unix_nano,
        wait.end_time_unix_nano,
        translate.start_time_unix_nano,
        translate.end_time_unix_nano,
        deliver.start_time_unix_nano,
        *sorted(each.end_time_unix_nano for each in answers),
        deliver.end_time_unix_nano,
    ]
    assert times == sorted(times)
    assert root.end_time_unix_nano == deliver.end_time_unix_nano
    order = sorted(answers, key=lambda each: each.end_time_unix_nano)
    assert [attributes(each.attributes) for each in order] == [
        {"pilothouse.proxy": "web-1", "pilothouse.answer": "ACK"},
        {"pilothouse.proxy": "web-2", "pilothouse.answer": "ACK"},
    ]
    change, said = plane.get(f"changes/{number}"), attributes(root.attributes)
    assert said[NUMBER] == change["number"]
    assert (said["pilothouse.change.source"], said[OUTCOME]) == ("files", "acknowledged")
    assert said["pilothouse.change.place"] == change["place"]
    assert said["pilothouse.change.services"] == ["shop/cart"]
    assert said["pilothouse.change.what"] == [f"shop/cart: {change['services'][0]['what']}"]
    assert said["pilothouse.change.slowest"] == "web-2"
    waited = (root.end_time_unix_nano - root.start_time_unix_nano) / 1e9
    assert change["published"]["waited"] == pytest.approx(waited, abs=0.001)
    assert change["trace_id"] == root.trace_id.hex()
    assert root.trace_id.hex() in plane.run("trace", str(number))
    assert metric(plane, "pilothouse_traces_sent_total") >= 1


async def test_a_rejection_is_an_error_with_the_words_of_the_proxy(
    plane: Plane, collector: Collector, client: Any, eventually: Any
) -> None:
    stream, other = await client("web-7"), await client("web-6")
    for each in (stream, other):
        await each.ask(ResourceType.CLUSTER)
        await each.names()
    plane.write("pay.json", service("payments", "10.1.7.1"))
    await other.names()  # which accepts it, so it is not taken back
    await stream.accept(await stream.read(), error="no such thing")
    number = (await eventually(lambda: plane.get("changes", service="shop/payments")["items"]))[0]["number"]
    root, *parts = await eventually(lambda: collector.traces().get(number))
    [rejected] = [each for each in parts if each.name == "answer" and each.status.code == 2]
    assert attributes(rejected.attributes) == {"pilothouse.proxy": "web-7", "pilothouse.answer": "NACK"}
    assert rejected.status.message == "no such thing"
    assert root.status.code == 2
    assert attributes(root.attributes)[OUTCOME] == "rejected"


async def test_what_is_sent_at_the_end_arrives(
    started: Callable[..., Plane], collector: Collector, monkeypatch: pytest.MonkeyPatch, eventually: Any
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
    plane = started()
    plane.write("pay.json", service("payments", "10.1.7.1"))
    [change] = await eventually(lambda: plane.get("changes", service="shop/payments")["items"])
    await eventually(lambda: plane.get(f"changes/{change['number']}").get("published"))
    plane.terminate()
    assert {1, change["number"]} <= {*collector.traces()}, "the first load, and what came after"


async def test_a_collector_that_is_away_delays_nothing_and_is_said_once(
    started: Callable[..., Plane], client_of: Any, monkeypatch: pytest.MonkeyPatch, eventually: Any
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=secret")
    plane = started("--otel-endpoint", f"http://127.0.0.1:{free_port()}")
    stream = await synced(client_of(plane), "web-1")
    for last in range(1, 6):
        plane.write("cart.json", service("cart", f"10.1.7.{last}"))
        await stream.names()
    await eventually(lambda: metric(plane, "pilothouse_traces_lost_total") >= 5)
    assert metric(plane, "pilothouse_traces_sent_total") == 0
    await eventually(lambda: events(plane, "traces cannot be sent, and are lost"))
    plane.write("cart.json", service("cart", "10.1.7.9"))
    await stream.names()
    await eventually(lambda: metric(plane, "pilothouse_traces_lost_total") >= 6)
    plane.terminate()
    [said] = events(plane, "traces cannot be sent, and are lost")
    assert re.search("UNAVAILABLE|DEADLINE_EXCEEDED", said["reason"])
    assert "Traceback" not in plane.log()
    assert "secret" not in plane.log()


async def test_the_end_does_not_wait_for_a_collector_that_hangs(
    started: Callable[..., Plane], eventually: Any
) -> None:
    with collecting(answers=False) as collector:
        plane = started("--otel-endpoint", collector.endpoint)
        plane.write("pay.json", service("payments", "10.1.7.1"))
        await eventually(lambda: collector.requests)
        plane.write("pay.json", service("payments", "10.1.7.2"))
        await eventually(lambda: len(plane.get("changes", service="shop/payments")["items"]) == 2)
        plane.terminate()
    assert "Traceback" not in plane.log()


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes find no OpenTelemetry."""
    folder = tmp_path / "without"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(WITHOUT)
    monkeypatch.setenv("PYTHONPATH", str(folder))


def test_without_the_extra_the_flag_is_a_mistake_that_says_what_to_install(
    nothing_installed: None, tmp_path: Path
) -> None:
    command: list[str | Path] = [PROGRAM, "serve", "--manifests", tmp_path]
    command += ["--otel-endpoint", "http://127.0.0.1:4317"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.endswith("--otel-endpoint: needs more than is installed: pip install 'pilothouse[otel]'")


async def test_without_the_extra_a_variable_for_all_programs_is_a_warning(
    nothing_installed: None, started: Callable[..., Plane], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")
    plane = started()
    [said] = events(plane, "changes are not traced")
    assert "pip install 'pilothouse[otel]'" in said["reason"]
    assert "trace_id" not in plane.get("changes")


def test_who_asks_for_no_traces_loads_nothing_of_opentelemetry() -> None:
    program = """
import sys, pilothouse.app
from pilothouse.registry.revisions import Revisions
from pilothouse.tracing.starting import tracing
assert tracing(Revisions(), None, {}) is None
print([each for each in sys.modules if each.startswith("opentelemetry")])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr
