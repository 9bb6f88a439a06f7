"""`pilothouse inject` prints manifests with sidecars, and says on standard error what is doubtful."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import yaml

WEB = "kind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: web, image: web}]}\n"
SERVICE = "kind: Service\nmetadata: {name: web}\n"


@pytest.fixture
def web(tmp_path: Path) -> Path:
    file = tmp_path / "web.yaml"
    file.write_text(WEB)
    return file


def test_every_file_is_printed_and_what_makes_no_pods_is_as_it_was(pilothouse, web: Path) -> None:
    (web.parent / "service.yaml").write_text(SERVICE)
    outcome = pilothouse("inject", "-f", web, "-f", web.parent / "service.yaml", "--tls-ca-config-map", "ca")
    assert (outcome.status, outcome.err) == (0, "")
    pod, service = yaml.safe_load_all(outcome.out)
    assert len(pod["spec"]["initContainers"]) == 2
    assert service == yaml.safe_load(SERVICE)


def test_it_says_that_sidecars_connect_without_tls(pilothouse, web: Path) -> None:
    assert "without TLS" in pilothouse("inject", "-f", web).err


def test_what_is_captured_may_be_of_both_families(pilothouse, web: Path) -> None:
    outcome = pilothouse("inject", "-f", web, "--family", "ipv6", "--family", "ipv4", "--family", "ipv6")
    rules, _ = yaml.safe_load(outcome.out)["spec"]["initContainers"]
    assert rules["args"].count("--family") == 2
    assert pilothouse("inject", "-f", web, "--family", "inet").status == 2


def test_what_asks_name_servers_is_captured_if_that_is_said(pilothouse, web: Path) -> None:
    outcome = pilothouse("inject", "-f", web, "--capture-dns", "--tls-ca-config-map", "ca")
    rules, _, agent = yaml.safe_load(outcome.out)["spec"]["initContainers"]
    assert rules["args"][-2:] == ["--dns-port", "15053"]
    assert agent["args"][0] == "dns-agent"


def test_standard_input_and_json(pilothouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(WEB))
    found = json.loads(pilothouse("inject", "-f", "-", "-o", "json").out)
    assert [each["kind"] for each in found["items"]] == ["Pod"]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("a: [", "web.yaml:1: "),
        ("[]", "web.yaml: holds something that is not a mapping of fields"),
        (
            WEB.replace("web}", "web, annotations: {pilothouse.dev/inject: maybe}}", 1),
            "web.yaml: Pod web: metadata.",
        ),
        (
            WEB.replace("[{name: web, image: web}]", "nope"),
            "web.yaml: Pod web: spec.containers: is the string",
        ),
    ],
)
def test_a_mistake_is_one_line_with_its_file(pilothouse, web: Path, text: str, mistake: str) -> None:
    web.write_text(text)
    outcome = pilothouse("inject", "-f", web, "--tls-ca-config-map", "ca")
    assert (outcome.status, outcome.out) == (2, "")
    (line,) = outcome.err.splitlines()
    assert mistake in line


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--control-plane", "a:0"),
        ("--tls-ca-config-map", "a b"),
        ("--envoy-image", ""),
        ("--tools-image", "two images"),
        ("--namespace", "UP_"),
    ],
)
def test_a_flag_that_makes_no_sense_is_named_in_one_line(
    pilothouse, web: Path, flag: str, value: str
) -> None:
    outcome = pilothouse("inject", "-f", web, flag, value)
    assert outcome.status == 2
    (line,) = outcome.err.splitlines()
    assert line.startswith(f"pilothouse: {flag}: '{value}' ")


@pytest.mark.parametrize(
    "flag", ["--listen", "--probes", "--namespace", "--service", "--secret", "--configuration"]
)
def test_the_webhook_does_not_start_with_a_name_that_nothing_can_have(pilothouse, flag: str) -> None:
    outcome = pilothouse("webhook", flag, "../x")
    assert outcome.status == 2
    (line,) = outcome.err.splitlines()
    assert line.startswith(f"pilothouse: {flag}: '../x' ")
