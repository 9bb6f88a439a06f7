"""In which order headers are changed: by the rule first, so that what a backend sets stays."""

from __future__ import annotations

from typing import Any

import pytest

from .routes import request, route, to, under

pytestmark = pytest.mark.envoy


def change(which: str, **said: Any) -> dict:
    kind = f"{which.capitalize()}HeaderModifier"
    return {"type": kind, f"{which}HeaderModifier": said}


def pairs(**fields: str) -> list[dict]:
    return [{"name": name.replace("_", "-"), "value": value} for name, value in fields.items()]


@pytest.mark.parametrize("shared", [False, True], ids=["alone", "shared"])
async def test_what_a_backend_does_to_headers_comes_after_what_its_rule_does(mesh, tellers, shared) -> None:
    of_rule = {
        "set": pairs(x_both="rule", x_rule="rule", x_gone="rule", x_list="rule"),
        "add": pairs(x_added="rule"),
        "remove": ["x-back"],
    }
    of_backend = {
        "set": pairs(x_both="backend", x_back="backend"),
        "add": pairs(x_list="backend"),
        "remove": ["x-gone", "x-added"],
    }
    filters = [change("request", **of_rule), change("response", **of_rule)]
    changed = {"filters": [change("request", **of_backend), change("response", **of_backend)]}
    backends = [to("blue") | changed, *([to("green", 0), to("web") | changed] if shared else [])]
    mesh.manifests.save("route", route(under("/", *backends, filters=filters)))
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    answer = await request(sidecar, "web", x_back="client", x_gone="client", x_added="client")
    for told in (answer.request, answer.head):
        lines = told.splitlines()
        assert {"x-both: backend", "x-rule: rule", "x-back: backend"} <= {*lines}
        assert [line for line in lines if line.startswith(("x-gone", "x-added"))] == []
        assert {"x-list: rule", "x-list: backend"} <= {*lines} or "x-list: rule,backend" in lines
