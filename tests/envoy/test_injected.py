"""The sidecar that is injected into a pod starts, says which pod it is of, and says when it is ready."""

from __future__ import annotations

import httpx
import pytest

from pilothouse.kubernetes.fields import Fields
from pilothouse.sidecar.containers import ENVOY
from pilothouse.sidecar.injection import Injected, inject
from pilothouse.sidecar.wishes import Template
from pilothouse.structures.hostport import HostPort

from ..ports import free_port
from .control_plane import ControlPlane
from .manifests import service
from .sidecar import Envoy

pytestmark = pytest.mark.envoy

POD = {"metadata": {"name": "web-0"}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}
# What Kubernetes would fill in.
DOWNWARD = {"POD_NAME": "web-0", "POD_IP": "127.0.0.1", "NODE_NAME": "n1", "REGION": "eu", "ZONE": "eu-1"}


async def test_an_injected_sidecar_is_ready_once_it_has_its_configuration(
    mesh, envoy_binary, tmp_path, eventually
) -> None:
    mesh.manifests.save("payments", service("payments"))
    xds, ready, egress = free_port(), free_port(), free_port()
    template = Template(
        "envoy", "pilothouse", HostPort("127.0.0.1", xds), egress_port=egress, ready_port=ready
    )
    injected = inject(Fields(POD), "shop", template)
    assert isinstance(injected, Injected)
    (container,) = (each for each in injected.pod["spec"]["initContainers"] if each["name"] == ENVOY)
    text = container["args"][1].replace('"port_value": 19000', '"port_value": 0')
    for variable, value in DOWNWARD.items():
        text = text.replace(f"$({variable})", value)
    control_plane = ControlPlane(xds, tmp_path / "log", ["--manifests", str(mesh.manifests.folder)])
    envoy = Envoy(egress)
    envoy.launch(envoy_binary, text, tmp_path / "envoy")
    try:
        await eventually(envoy.state)
        async with httpx.AsyncClient(trust_env=False) as client:
            with pytest.raises(httpx.ConnectError):
                await client.get(f"http://127.0.0.1:{ready}/ready")
            await mesh.launch(control_plane)
            await eventually(envoy.live)
            assert (await client.get(f"http://127.0.0.1:{ready}/ready")).status_code == 200
            assert (await client.get(f"http://127.0.0.1:{ready}/other")).status_code == 404
        assert await envoy.rejected() == {}
    finally:
        await envoy.close()
        await control_plane.close()
