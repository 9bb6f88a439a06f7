"""Whether changes are traced, and to where: the setting, and the standard variables."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pilothouse.config.settings import ConfigError, load
from pilothouse.registry.revisions import Revisions
from pilothouse.tracing.settings import Collector, collector
from pilothouse.tracing.starting import tracing

HERE, THERE = "http://here:4317", "http://there:4317"
TRACES, ALL = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.mark.parametrize("url", ["http://collector:4317", "https://collector.example", "http://[::1]:4317/"])
def test_a_collector_is_a_url(url: str, tmp_path: Path) -> None:
    said = {"manifests": [str(tmp_path)], "otel_endpoint": url}
    assert load(said, {}).otel_endpoint == url


@pytest.mark.parametrize(
    ("url", "mistake"),
    [
        ("collector:4317", "must be a URL such as http://collector:4317"),
        ("collector", "must be a URL"),
        ("grpc://collector:4317", "must be a URL"),
        ("http://", "must be a URL"),
        ("http://collector:many", "must be a URL"),
        ("http://collector:99999", "must be a URL"),
        ("http://[::1", "must be a URL"),
        ("http://collector:4318/v1/traces", "must be a URL"),
        ("http://me:secret@collector:4317", "must have no user or password"),
    ],
)
def test_what_is_no_collector_is_a_mistake_without_what_may_be_secret(
    url: str, mistake: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=mistake) as raised:
        load({"manifests": [str(tmp_path)], "otel_endpoint": url}, {})
    assert str(raised.value).startswith("--otel-endpoint: ")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("said", "environment", "found"),
    [
        (None, {}, None),
        (None, {ALL: ""}, None),
        (HERE, {}, Collector(HERE, "otel_endpoint")),
        (HERE, {ALL: THERE}, Collector(HERE, "otel_endpoint")),
        (HERE, {"OTEL_TRACES_EXPORTER": "none"}, Collector(HERE, "otel_endpoint")),
        (HERE, {"OTEL_SDK_DISABLED": "true"}, None),
        (None, {ALL: THERE}, Collector(THERE, ALL)),
        (None, {ALL: HERE, TRACES: THERE}, Collector(THERE, TRACES)),
        (None, {ALL: THERE, "OTEL_TRACES_EXPORTER": "otlp"}, Collector(THERE, ALL)),
        (None, {ALL: THERE, "OTEL_TRACES_EXPORTER": "console, otlp"}, Collector(THERE, ALL)),
        (None, {ALL: THERE, "OTEL_TRACES_EXPORTER": "none"}, None),
        (None, {ALL: THERE, "OTEL_SDK_DISABLED": "True"}, None),
        (None, {ALL: THERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, Collector(THERE, ALL)),
    ],
)
def test_the_setting_counts_and_then_the_standard_variables(
    said: str | None, environment: Mapping[str, str], found: Collector | None
) -> None:
    assert collector(said, environment) == found


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        (
            {ALL: THERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
            "only OTLP over gRPC is spoken, not http/protobuf",
        ),
        (
            {ALL: "https://there/?api_key=secret"},
            "must be a URL such as http://collector:4317, where OTLP is spoken over gRPC",
        ),
        ({ALL: "there"}, "must be a URL such as http://collector:4317, where OTLP is spoken over gRPC"),
        (
            {ALL: "https://me:secret@there"},
            "must have no user or password: put them into OTEL_EXPORTER_OTLP_HEADERS",
        ),
    ],
)
def test_variables_that_cannot_be_followed_are_a_warning(environment: Mapping[str, str], reason: str) -> None:
    with capture_logs() as log:
        assert tracing(Revisions(), None, environment) is None
    assert [(each["event"], each["reason"]) for each in log] == [("changes are not traced", reason)]
    assert "secret" not in str(log)


@pytest.mark.parametrize("absent", ["opentelemetry", "opentelemetry.sdk", "opentelemetry.exporter"])
def test_without_the_extra_it_is_said_what_to_install(
    absent: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for each in [each for each in sys.modules if each.startswith(absent)]:
        monkeypatch.delitem(sys.modules, each)
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(ConfigError, match=r"pip install 'pilothouse\[otel\]'$"):
        load({"manifests": [str(tmp_path)], "otel_endpoint": HERE}, {})
    found = collector(None, {ALL: THERE})
    assert found is not None
    assert found.unusable.endswith("pip install 'pilothouse[otel]'")
