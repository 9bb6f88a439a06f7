"""A real Envoy that is stopped: what it was sent comes again, its end is named, and it comes back."""

from __future__ import annotations

import signal
from typing import Any

import httpx
import pytest

from .manifests import service

pytestmark = pytest.mark.envoy

PAYMENTS = "outbound|8080||payments.shop.svc.cluster.local"
#: gRPC's keepalive ends the connection within 40 s.
LONG_S = 90.0


@pytest.mark.timeout(240)
async def test_an_envoy_that_is_stopped_is_sent_the_same_again_then_gone_and_comes_back(
    mesh, eventually
) -> None:
    one, two = await mesh.backend("one"), await mesh.backend("two")
    mesh.manifests.save("payments", service("payments"), one.slice("payments"))
    control_plane = await mesh.serve()
    sidecar = await mesh.sidecar(control_plane.port)
    sidecar._process.send_signal(signal.SIGSTOP)
    try:
        mesh.manifests.save("payments", service("payments"), two.slice("payments"))

        def said(words: str) -> dict[str, Any] | None:
            return next((each for each in control_plane.events if words in each["event"]), None)

        again = await eventually(lambda: said("sent the same again"), LONG_S)
        assert again["types"] == ["EDS"]
        closed = await eventually(lambda: said("stream closed"), LONG_S)
    finally:
        sidecar._process.send_signal(signal.SIGCONT)
    assert closed["node"] == again["node"]
    assert closed["unanswered"] == ["EDS"]
    assert closed["unanswered_s"] > again["unanswered_s"] >= 20
    address = f"http://{control_plane.admin}/api/v1/proxies/{closed['node']}"

    async def state() -> bool:
        async with httpx.AsyncClient(trust_env=False, verify=False) as client:
            return bool((await client.get(address)).json()["state"] == "SYNCED")

    async def moved() -> bool:
        return (await sidecar.clusters())[PAYMENTS].keys() == {two.port}

    await eventually(state)
    await eventually(moved)
    assert await sidecar.rejected() == {}
