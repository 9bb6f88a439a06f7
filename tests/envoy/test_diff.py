"""Whether a real Envoy runs what it was sent is seen in its dump, resource by resource."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest

from pilothouse.encoding.types import ResourceType

from ..server.conftest import ADS, Stream
from .manifests import service

pytestmark = pytest.mark.envoy

PROGRAM = Path(sys.executable).with_name("pilothouse")


async def run(plane: Any, *arguments: str) -> tuple[int | None, str]:
    """The exit status of a command that asks this control plane, and what it prints."""
    process = await asyncio.create_subprocess_exec(
        PROGRAM, *arguments, "--admin", str(plane.admin), stdout=-1, stderr=-2
    )
    out, _ = await process.communicate()
    return process.returncode, out.decode()


async def test_an_envoy_that_runs_what_it_was_sent_has_no_difference_and_another_has_some(
    mesh, eventually
) -> None:
    backends = [await mesh.backend(name) for name in ("one", "two")]
    slices = [each.slice("payments") for each in backends]
    mesh.manifests.save("payments", service("payments"), *slices)
    mesh.manifests.save("carts", service("carts"), backends[0].slice("carts"))
    ports = [{"name": "http", "port": 80}]
    outside = service("legacy", type="ExternalName", externalName="legacy.example.com", ports=ports)
    mesh.manifests.save("legacy", outside)
    plane = await mesh.serve()
    sidecar = await mesh.sidecar(plane.port)
    [row] = json.loads((await run(plane, "proxies", "-o", "json"))[1])["items"]
    node, envoy = row["node"], f"http://{sidecar.admin}"

    async def same() -> bool:
        status, said = await run(plane, "diff", node, "--envoy", envoy)
        return (status, said) == (0, f"{node} runs what it was sent\n")

    await eventually(same)
    assert (await run(plane, "diff", node))[0] == 0
    plane.kill()
    await mesh.launch(plane)

    async def back() -> bool:
        return (await run(plane, "diff", node))[0] == 0

    await eventually(back)
    await eventually(same)  # though with Delta it is sent nothing again
    assert "not web-x" in (await run(plane, "diff", "web-x", "--envoy", envoy))[1]

    # Somebody else says that it is this node, and is sent other routes.
    other = await mesh.serve("--unknown-host-status", "404")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{other.port}") as channel:
        stream = Stream(channel, ADS + "StreamAggregatedResources", {"id": node})
        await stream.ask(ResourceType.ROUTES, "egress")
        await stream.names()
        status, said = await run(other, "diff", node, "--envoy", envoy)
    assert status == 1
    found = {line.split()[1]: " ".join(line.split()[2:]) for line in said.splitlines() if "RDS" in line}
    assert found["egress"].startswith("differs virtual_hosts")
    assert "is only in the Envoy" in said
