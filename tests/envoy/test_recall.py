"""A version that the rules allow and every Envoy refuses is taken back, and everything else goes on."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from .control_plane import ControlPlane
from .manifests import service

pytestmark = pytest.mark.envoy

HTTPS = [{"name": "https", "port": 443}]


def originating(name: str, ca: str) -> dict[str, Any]:
    """A Service whose sidecars speak TLS, with a file of CA certificates that they may not have."""
    found = service(name, ports=HTTPS)
    found["metadata"]["annotations"] = {"pilothouse.dev/originate-tls": f"ca={ca}"}
    return found


async def quarantined(plane: ControlPlane) -> dict[str, str]:
    """The services in quarantine, each with its reason."""
    async with httpx.AsyncClient(trust_env=False) as admin:
        found = (await admin.get(f"http://{plane.admin}/readyz")).json()["quarantined"]
    return {each["service"]: each["reason"] for each in found}


async def test_what_every_envoy_refuses_is_taken_back_and_endpoints_follow(mesh, eventually) -> None:
    one, two = await mesh.backend("one"), await mesh.backend("two")
    plain, slices = service("payments", ports=HTTPS), [one.slice("payments", port_name="https")]
    mesh.manifests.save("payments", plain, *slices)
    plane = await mesh.serve()
    sidecars = [await mesh.sidecar(plane.port) for _ in range(2)]
    mesh.manifests.save("payments", originating("payments", "/no/such/file.pem"), *slices)

    [reason] = (await eventually(lambda: quarantined(plane))).values()
    assert "/no/such/file.pem" in reason
    assert reason.startswith("rejected by ")
    late = await mesh.sidecar(plane.port)
    assert await late.rejected() == {}, "nobody is sent it again"
    slices.append(two.slice("payments", port_name="https"))
    mesh.manifests.save("payments", originating("payments", "/no/such/file.pem"), *slices)
    for sidecar in (*sidecars, late):
        clusters = lambda of=sidecar: both(of)  # noqa: E731
        await eventually(clusters)
        assert len(await sidecar.rejected()) <= 1
    mesh.manifests.save("payments", plain, *slices)
    await eventually(lambda: none(plane))


async def both(sidecar: Any) -> bool:
    """Whether the sidecar knows two endpoints of payments."""
    return len((await sidecar.clusters()).get("outbound|443||payments.shop.svc.cluster.local", ())) == 2


async def none(plane: ControlPlane) -> bool:
    return not await quarantined(plane)
