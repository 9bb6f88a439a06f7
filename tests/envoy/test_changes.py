"""From a saved manifest to a real Envoy: the start, and every kind of change after it."""

from __future__ import annotations

import pytest

from .load import ask, served
from .manifests import alias, service

pytestmark = pytest.mark.envoy

PAYMENTS = "outbound|8080||payments.shop.svc.cluster.local"
ORDERS = "outbound|8080||orders.shop.svc.cluster.local"


async def test_envoy_starts_with_everything_and_rejects_nothing(mesh) -> None:
    one, two = await mesh.backend("one"), await mesh.backend("two")
    old = alias("old", "orders.shop.svc.cluster.local")
    mesh.manifests.save("payments", service("payments"), one.slice("payments"), two.slice("payments"))
    mesh.manifests.save("orders", service("orders"), one.slice("orders"), old)
    mesh.manifests.save("idle", service("idle"))
    control_plane = await mesh.serve()
    sidecar = await mesh.sidecar(control_plane.port)
    assert {name: hosts.keys() for name, hosts in (await sidecar.clusters()).items()} == {
        PAYMENTS: {one.port, two.port},
        ORDERS: {one.port},
        "outbound|8080||idle.shop.svc.cluster.local": set(),
    }
    assert await sidecar.listeners() == {"egress"}
    assert await served(sidecar.egress, "payments", 10) == {"one": 5, "two": 5}
    assert await ask(sidecar.egress, "orders.shop") == await ask(sidecar.egress, "old") == (200, "one")
    assert await ask(sidecar.egress, "idle") == (503, "no healthy upstream")
    assert await sidecar.rejected() == {}
    assert (await control_plane.ready())["ready"]


async def test_a_new_endpoint_is_served_and_a_removed_one_is_not(mesh, eventually) -> None:
    one, two = await mesh.backend("one"), await mesh.backend("two")
    mesh.manifests.save("payments", service("payments"), one.slice("payments"))
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    assert await served(sidecar.egress, "payments", 4) == {"one": 4}

    mesh.manifests.save("payments", service("payments"), one.slice("payments"), two.slice("payments"))
    await eventually(lambda: ends(sidecar, PAYMENTS, {one.port, two.port}))
    assert await served(sidecar.egress, "payments", 4) == {"one": 2, "two": 2}

    mesh.manifests.save("payments", service("payments"), two.slice("payments"))
    await eventually(lambda: ends(sidecar, PAYMENTS, {two.port}))
    assert await served(sidecar.egress, "payments", 4) == {"two": 4}
    assert await sidecar.rejected() == {}


async def test_a_new_service_is_served_and_a_removed_one_is_unknown(mesh, eventually) -> None:
    one = await mesh.backend("one")
    mesh.manifests.save("payments", service("payments"), one.slice("payments"))
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    assert (await ask(sidecar.egress, "orders")).status == 503

    mesh.manifests.save("orders", service("orders"), one.slice("orders"))
    await eventually(lambda: sidecar.answers("orders", 200, "one"))
    assert (await sidecar.clusters()).keys() == {PAYMENTS, ORDERS}

    mesh.manifests.delete("orders")
    await eventually(lambda: sidecar.has_clusters(PAYMENTS))
    assert (await ask(sidecar.egress, "orders")).status == 503
    assert await served(sidecar.egress, "payments", 4) == {"one": 4}
    assert await sidecar.rejected() == {}


async def test_a_host_that_no_service_has_is_answered_with_its_name(mesh) -> None:
    sidecar = await mesh.sidecar((await mesh.serve("--allow-empty")).port)
    status, body = await ask(sidecar.egress, "nobody.example.com:81")
    assert status == 503
    assert "nobody.example.com:81" in body


async def test_a_service_scales_to_zero_and_back(mesh, eventually) -> None:
    one = await mesh.backend("one")
    mesh.manifests.save("payments", service("payments"), one.slice("payments"))
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    for _ in range(2):
        mesh.manifests.save("payments", service("payments"))
        await eventually(lambda: sidecar.answers("payments", 503, "no healthy upstream"))
        assert (await sidecar.clusters())[PAYMENTS] == {}
        mesh.manifests.save("payments", service("payments"), one.slice("payments"))
        await eventually(lambda: sidecar.answers("payments", 200, "one"))


async def test_a_sidecar_sees_its_dependencies_and_nothing_else(mesh, eventually) -> None:
    one = await mesh.backend("one")
    for namespace in ("shop", "data", "ops"):
        for name in ("a", "b"):
            mesh.manifests.save(
                f"{namespace}-{name}", service(name, namespace), one.slice(name, namespace=namespace)
            )
    port = (await mesh.serve()).port
    sidecar = await mesh.sidecar(port, dependencies=["shop/a", "data/*"])
    seen = {"a.shop", "a.data", "b.data"}
    assert await sidecar.has_clusters(*[f"outbound|8080||{name}.svc.cluster.local" for name in seen])
    assert await ask(sidecar.egress, "b.data") == (200, "one")
    assert (await ask(sidecar.egress, "b.shop")).status == 503


async def test_a_broken_manifest_keeps_the_last_good_state_in_force(mesh, eventually) -> None:
    one, two = await mesh.backend("one"), await mesh.backend("two")
    mesh.manifests.save("payments", service("payments"), one.slice("payments"))
    mesh.manifests.save("orders", service("orders"), one.slice("orders"))
    control_plane = await mesh.serve()
    sidecar = await mesh.sidecar(control_plane.port)

    mesh.manifests.write("payments", "kind: Service\nmetadata: {name: pay")
    await eventually(lambda: at_fault(control_plane, "payments.yaml"))
    mesh.manifests.save("orders", service("orders"), two.slice("orders"))
    await eventually(lambda: sidecar.answers("orders", 200, "two"))
    assert await served(sidecar.egress, "payments", 4) == {"one": 4}
    assert (await control_plane.ready())["status"] == 200

    mesh.manifests.save("payments", service("payments"), two.slice("payments"))
    await eventually(lambda: sidecar.answers("payments", 200, "two"))
    assert not await at_fault(control_plane, "payments.yaml")


async def ends(sidecar, cluster: str, ports: set[int]) -> bool:
    """Whether the sidecar has just these endpoints in a cluster."""
    return (await sidecar.clusters())[cluster].keys() == ports


async def at_fault(control_plane, file: str) -> bool:
    """Whether /readyz names a fault in a file."""
    sources = (await control_plane.ready())["sources"]
    return any(fault["file"].endswith(file) for source in sources for fault in source["faults"])
