"""What a caller should see of its requests, by hand-made tables of Envoy's rules."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction as F

import pytest

from pilothouse.demo.mesh import CALLERS, START, Flow, Pod
from pilothouse.demo.shares import REFUSED, shares, wanted


def pod(name: str, **facts) -> Pod:
    return Pod(name, "payments", f"eu-{name[0]}", "127.0.0.9", **facts)


A1, A2, B1, B2, C1 = (pod(name) for name in ("a1", "a2", "b1", "b2", "c1"))
LOST = {"ready": False}


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        # the own zone, by weight
        ([A1, A2, B1, C1], {"a1": F(1, 2), "a2": F(1, 2)}),
        ([pod("a1", weight=5), A2], {"a1": F(5, 6), "a2": F(1, 6)}),
        ([pod("a1", weight=0), A2], {"a2": F(1)}),
        # without a pod in its zone the rest is the first level, a zone weighs what its pods weigh
        ([B1, B2, C1], {"b1": F(1, 3), "b2": F(1, 3), "c1": F(1, 3)}),
        ([pod("b1", weight=3), C1], {"b1": F(3, 4), "c1": F(1, 4)}),
        # half of the own zone takes 70 %, the next level what is left
        ([A1, pod("a2", **LOST), B1], {"a1": F(7, 10), "b1": F(3, 10)}),
        # three of four are enough: 105 % of what is needed
        ([A1, A2, pod("a3"), pod("a4", **LOST), B1], {"a1": F(1, 3), "a2": F(1, 3), "a3": F(1, 3)}),
        # the whole zone is lost
        ([pod("a1", **LOST), B1, C1], {"b1": F(1, 2), "c1": F(1, 2)}),
        # too little everywhere: what is there takes all, in proportion to its health
        ([A1, pod("a2", **LOST), pod("b1", **LOST)], {"a1": F(1)}),
        # a zone that is half lost weighs 70 % of what it did
        ([B1, pod("b2", **LOST), C1], {"b1": F(14, 24), "c1": F(10, 24)}),
        ([], {REFUSED: F(1)}),
        ([pod("a1", **LOST), pod("b1", **LOST)], {REFUSED: F(1)}),
        ([pod("a1", weight=0)], {REFUSED: F(1)}),
    ],
)
def test_requests_go_where_zone_health_and_weight_let_them(pods, expected) -> None:
    assert shares(pods, "eu-a") == expected
    assert sum(shares(pods, "eu-a").values()) == 1


def test_an_alias_leads_to_the_pods_of_its_target() -> None:
    flow = Flow(CALLERS[0], "web")
    assert wanted(START, flow) == {"blue-a1": 1}
    assert wanted(replace(START, web="green"), flow) == {"green-b1": F(1, 2), "green-c1": F(1, 2)}
