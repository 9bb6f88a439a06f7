"""The control plane is asked to stop: it says goodbye to its sidecars, which go on with what they have."""

from __future__ import annotations

import pytest

from .load import Load
from .manifests import service

pytestmark = pytest.mark.envoy


async def test_sidecars_serve_on_while_it_stops_and_after(mesh, eventually) -> None:
    one = await mesh.backend("one")
    mesh.manifests.save("payments", service("payments"), one.slice("payments"))
    control_plane = await mesh.serve()
    sidecar = await mesh.sidecar(control_plane.port)
    async with Load(sidecar.egress, "payments") as load:
        control_plane.terminate()
        await eventually(lambda: control_plane.status is not None)
        await eventually(lambda: is_alone(sidecar))
        await load.more(100)
        assert control_plane.status == 0
        await mesh.launch(control_plane)
        await eventually(sidecar.connected)
    assert load.failures == []
    assert await sidecar.rejected() == {}


# In one variant only: gRPC leaves an old connection five seconds more, whatever its age was to be.
@pytest.mark.parametrize("mesh", ["delta"], indirect=True)
async def test_sidecars_come_back_on_a_new_connection_when_theirs_is_old(mesh, eventually) -> None:
    one, two = await mesh.backend("one"), await mesh.backend("two")
    mesh.manifests.save("payments", service("payments"), one.slice("payments"))
    control_plane = await mesh.serve("--max-connection-age-s", "0.5")
    tap = await mesh.tap(control_plane.port)
    sidecar = await mesh.sidecar(tap.port)
    async with Load(sidecar.egress, "payments") as load:
        await eventually(lambda: len(tap.recordings) > 1)
        mesh.manifests.save("payments", service("payments"), two.slice("payments"))
        await eventually(lambda: load.served["two"])
    assert load.failures == []
    assert await sidecar.rejected() == {}


async def is_alone(sidecar) -> bool:
    return not await sidecar.connected()
