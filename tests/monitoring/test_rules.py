"""The alerts: Prometheus' own tool reads and tests them, and each names a command that there is."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from pilothouse.cli import app

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy/prometheus/rules.yaml"
TESTS = Path(__file__).with_name("rules_test.yaml")


def alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


@pytest.mark.parametrize(
    "command", [("check", "rules", RULES), ("test", "rules", TESTS)], ids=["check", "test"]
)
def test_promtool_takes_the_rules(command: tuple[str | Path, ...]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("needs promtool, which Debian's package prometheus has")
    done = subprocess.run([promtool, *command], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_to_fire_and_not_to_fire() -> None:
    said = [one for test in yaml.safe_load(TESTS.read_text())["tests"] for one in test["alert_rule_test"]]
    fire = {one["alertname"] for one in said if one.get("exp_alerts")}
    calm = {one["alertname"] for one in said if not one.get("exp_alerts")}
    assert fire == calm == {alert["alert"] for alert in alerts()}


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_says_what_it_is_and_which_command_says_more(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("page", "ticket")
    assert alert["annotations"]["summary"]
    named = re.findall(r"`pilothouse (\w[\w-]*)", alert["annotations"]["description"])
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert named
    assert set(named) <= set(known)
