"""The dashboard and the alerts ask for metrics that a running control plane has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from .plane import Plane

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana/pilothouse.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[str]:
    """All that is asked of Prometheus."""
    for group in yaml.safe_load((DEPLOY / "prometheus/rules.yaml").read_text())["groups"]:
        yield from (rule["expr"] for rule in group["rules"])
    for panel in PANELS:
        yield from (target["expr"] for target in panel["targets"])
    yield from (each["definition"] for each in DASHBOARD["templating"]["list"] if "definition" in each)


def scraped(text: str) -> dict[str, set[str]]:
    """The names of series, each with the names of its labels."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(
            family.type, ("",)
        )
        found |= {family.name.removesuffix("_total") + suffix: set() for suffix in suffixes}
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_every_metric_and_label_that_is_asked_for_is_there(plane: Plane) -> None:
    there = scraped(httpx.get(f"http://{plane.admin}/metrics", trust_env=False).text)
    asked = list(expressions())
    assert len(asked) > 30
    for expression in asked:
        for name, matchers in re.findall(r"\b((?:pilothouse|process)_\w+)(?:\{([^}]*)\})?", expression):
            assert name in there, expression
            if there[name]:
                labels = set(re.findall(r"(\w+)=~?\"", matchers)) - {"job", "instance"}
                assert labels <= there[name], expression


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_is_about_something_in_a_unit_and_for_the_chosen_instances(panel: dict[str, Any]) -> None:
    assert panel["description"]
    assert panel["fieldConfig"]["defaults"]["unit"]
    for target in panel["targets"]:
        assert target["legendFormat"]
        assert '{job=~"$job", instance=~"$instance"' in target["expr"]
    assert panel["datasource"]["uid"] == "${datasource}"


def test_no_two_panels_lie_on_each_other() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]
