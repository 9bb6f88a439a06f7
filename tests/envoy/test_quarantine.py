"""A service that would make Envoy refuse a whole response is held back, named, and stops nobody else."""

from __future__ import annotations

import httpx
import pytest

from pilothouse.model.services import Port, Protocol, Service

from .load import ask
from .mesh import virtual_ip
from .told import Told, service

pytestmark = pytest.mark.envoy


def poisonous(name: str, backend) -> list[Service]:
    """Versions of a service that each break a rule of another kind of resource."""
    out_of_range = Port("tcp", 70_000, Protocol.TCP)
    return [
        service(name, backend, cluster_domain="line\nbreak"),
        service(name, backend, ports=(Port("http", 8080), out_of_range), vips=(virtual_ip(),)),
    ]


@pytest.mark.parametrize("kind", [0, 1], ids=["host name", "port"])
async def test_a_poisonous_change_keeps_the_last_good_version_and_endpoints_follow(
    mesh, serving, eventually, kind
) -> None:
    one, two = await mesh.backend("one"), await mesh.backend("two")
    source = Told(service("bad", one), service("good", one))
    xds, admin = await serving(source)
    sidecar = await mesh.sidecar(xds)

    source.sink.put(poisonous("bad", two)[kind])
    source.sink.put(service("good", two))
    await eventually(lambda: sidecar.answers("good", 200, "two"))
    await eventually(lambda: sidecar.answers("bad", 200, "two"))
    (held,) = await quarantined(admin)
    assert held["service"] == "shop/bad"
    assert held["reason"]
    assert await sidecar.rejected() == {}

    source.sink.put(service("bad", one))
    await eventually(lambda: sidecar.answers("bad", 200, "one"))
    assert await quarantined(admin) == []


async def test_a_sidecar_that_connects_does_not_end_a_quarantine(mesh, serving, eventually) -> None:
    one = await mesh.backend("one")
    source = Told(service("bad", one))
    xds, admin = await serving(source)
    source.sink.put(poisonous("bad", one)[0])
    await eventually(lambda: quarantined(admin))
    for capture in ("proxy", "vip"):
        await mesh.sidecar(xds, capture=capture)
        assert len(await quarantined(admin)) == 1, capture


async def test_a_service_that_was_never_good_is_left_out_and_the_others_are_served(mesh, serving) -> None:
    one = await mesh.backend("one")
    xds, admin = await serving(Told(*poisonous("bad", one), service("good", one)))
    sidecar = await mesh.sidecar(xds)
    assert await ask(sidecar.egress, "good") == (200, "one")
    assert (await ask(sidecar.egress, "bad")).status == 503
    assert [held["service"] for held in await quarantined(admin)] == ["shop/bad"]


async def quarantined(admin: int) -> list[dict[str, object]]:
    """What /readyz says is held back, if /metrics says the same."""
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{admin}", trust_env=False, verify=False
    ) as client:
        held = (await client.get("/readyz")).json()["quarantined"]
        metrics = (await client.get("/metrics")).text
    assert f"pilothouse_quarantined_services {len(held)}.0" in metrics
    return held
