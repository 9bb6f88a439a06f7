"""By which host names an application reaches a service, and by which it does not."""

from __future__ import annotations

import pytest

from .load import ask
from .manifests import service
from .mesh import virtual_ip

pytestmark = pytest.mark.envoy

FORMS = (
    "payments.shop",
    "payments.shop.svc",
    "payments.shop.svc.cluster.local",
    "payments.shop.svc.cluster.local.",
    "Payments.SHOP.svc.Cluster.Local",
)


async def test_a_service_is_reached_by_every_form_of_its_name(mesh) -> None:
    web, payments, vip = await mesh.backend("web"), await mesh.backend("payments"), virtual_ip()
    mesh.manifests.save("payments", service("payments", clusterIP=vip), payments.slice("payments"))
    mesh.manifests.save("web", service("web", "front"), web.slice("web", namespace="front"))
    port = (await mesh.serve()).port
    inside, outside = await mesh.sidecar(port), await mesh.sidecar(port, namespace="front")
    for host in (*FORMS, vip):
        for sidecar in (inside, outside):
            assert await ask(sidecar.egress, host) == (200, "payments"), host
            assert await ask(sidecar.egress, f"{host}:8080") == (200, "payments"), host
            assert (await ask(sidecar.egress, f"{host}:81")).status == 503, host


async def test_a_single_label_is_a_name_in_its_own_namespace_only(mesh) -> None:
    shop, front = await mesh.backend("shop"), await mesh.backend("front")
    mesh.manifests.save("shop", service("payments"), shop.slice("payments"))
    mesh.manifests.save("front", service("payments", "front"), front.slice("payments", namespace="front"))
    port = (await mesh.serve()).port
    for namespace in ("shop", "front"):
        sidecar = await mesh.sidecar(port, namespace=namespace)
        for host in ("payments", "PAYMENTS", "payments:8080"):
            assert await ask(sidecar.egress, host) == (200, namespace)
    stranger = await mesh.sidecar(port, namespace="elsewhere")
    assert (await ask(stranger.egress, "payments")).status == 503


async def test_each_port_has_its_own_endpoints_and_port_80_needs_no_number(mesh) -> None:
    web, metrics = await mesh.backend("web"), await mesh.backend("metrics")
    ports = [{"name": "metrics", "port": 9090}, {"name": "http", "port": 80}]
    slices = web.slice("web"), metrics.slice("web", port_name="metrics")
    mesh.manifests.save("web", service("web", ports=ports), *slices)
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    for host, backend in {"web": "web", "web:80": "web", "web:9090": "metrics"}.items():
        assert await ask(sidecar.egress, host) == (200, backend)


@pytest.mark.parametrize(("flags", "status"), [((), 503), (("--unknown-host-status", "404"), 404)])
async def test_what_nobody_is_called_is_answered_with_that_name(mesh, flags, status) -> None:
    sidecar = await mesh.sidecar((await mesh.serve("--allow-empty", *flags)).port)
    answer = await ask(sidecar.egress, "nobody.shop:81")
    assert answer.status == status
    assert "nobody.shop:81" in answer.body
