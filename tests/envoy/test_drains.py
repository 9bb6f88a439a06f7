"""An endpoint that an operator drains gets no new requests, and gets them again afterwards."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from ..authority import replace
from .load import served
from .manifests import service

pytestmark = pytest.mark.envoy
TOKEN = "w" * 32


async def test_traffic_leaves_a_drained_endpoint_and_comes_back(mesh, tmp_path: Path, eventually) -> None:
    one, two = [await mesh.backend(name) for name in ("one", "two")]
    mesh.manifests.save("payments", service("payments"), one.slice("payments"), two.slice("payments"))
    tokens = replace(tmp_path / "tokens", f"alice:{TOKEN}\n".encode())
    plane = await mesh.serve("--admin-tokens", tokens, "--no-state")
    sidecar = await mesh.sidecar(plane.port)
    assert await served(sidecar.egress, "payments", 20) == {"one": 10, "two": 10}
    headers = {"authorization": f"Bearer {TOKEN}"}
    api = httpx.AsyncClient(base_url=f"http://{plane.admin}/api/v1", headers=headers, trust_env=False)
    async with api as operator:
        about = {"addresses": [f"{one.host}:{one.port}"], "service": "shop/payments"}
        drained = await operator.post("/drain", json={**about, "reason": "its disk is full"})
        assert drained.is_success, drained.text
        await eventually(lambda: only(sidecar, {"two": 10}))
        await operator.post("/undrain", json=about)
        await eventually(lambda: only(sidecar, {"one": 5, "two": 5}))
        drained = await operator.post("/drain", json={**about, "lasts": "3s"})
        await eventually(lambda: only(sidecar, {"two": 10}))
        await eventually(lambda: only(sidecar, {"one": 5, "two": 5}))


async def only(sidecar, shares: dict[str, int]) -> bool:
    return await served(sidecar.egress, "payments", 10) == shares
