"""Headless services: all endpoints by the name of the service, and each one by its own."""

from __future__ import annotations

import pytest

from .load import ask, served
from .manifests import service

pytestmark = pytest.mark.envoy


async def test_each_endpoint_is_reached_by_its_own_name_and_no_other_in_its_place(mesh, eventually) -> None:
    pods = [await mesh.backend(f"db-{number}") for number in range(3)]
    headless = service("db", clusterIP="None")
    slices = [pod.slice("db", hostname=pod.name, zone=zone) for pod, zone in zip(pods, "aab", strict=True)]
    mesh.manifests.save("db", headless, *slices)
    sidecar = await mesh.sidecar((await mesh.serve()).port, "eu/a")
    assert await served(sidecar.egress, "db", 20) == pytest.approx({"db-0": 10, "db-1": 10}, abs=3)
    for pod in pods:  # also of another zone
        for form in ("db", "db.shop.svc.cluster.local", "DB:8080"):
            host = f"{pod.name}.{form}"
            assert await served(sidecar.egress, host, 5) == {pod.name: 5}, host
    for host in ("db-3.db", "x.db.shop", "db-0.db:9999"):
        assert (await ask(sidecar.egress, host)).status == 503, host

    slices[1] = pods[1].slice("db", hostname="db-1", zone="a", conditions={"ready": False})
    mesh.manifests.save("db", headless, *slices)
    await eventually(lambda: has_status(sidecar, "db-1.db", 503))
    assert await served(sidecar.egress, "db-0.db", 5) == {"db-0": 5}
    assert set(await served(sidecar.egress, "db", 20)) <= {"db-0", "db-2"}


async def has_status(sidecar, host: str, status: int) -> bool:
    return (await ask(sidecar.egress, host)).status == status
