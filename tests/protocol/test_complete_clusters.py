"""Clusters that the client resolves itself wait for no endpoints, and so nothing waits for them."""

from __future__ import annotations

import pytest

from pilothouse.mesh.audience import Audience
from pilothouse.model.services import Port

from ..oracle.plane import Line, Plane
from ..oracle.towns import NAMES, Draft
from .clients import CLIENTS
from .toy_world import CDS, LDS, RDS


@pytest.mark.parametrize("variant", CLIENTS)
def test_routes_follow_such_a_cluster_at_once(variant: str) -> None:
    plane = Plane()
    line = Line(variant, plane, Audience(namespace="shop"))
    for type, names in ((CDS, frozenset()), (LDS, frozenset()), (RDS, frozenset({"egress"}))):
        line.first(type, names)
    line.settle()
    service = Draft(ports=(Port("http", 80),), external="example.com").named(NAMES[0])
    plane.shards["near"].put(service)
    line.told_of(plane.publish())
    line.settle(clock=False)
    line.view.expect({service.name: service}, variant == "delta")
    assert line.client.lacks(line.world) == {}
