"""Ten questions of the night: each fault is injected into a running mesh, and one command says why.

Set `PILOTHOUSE_SHOW=1` and run with `-s` to see the answers.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from .control_plane import PROGRAM, ControlPlane
from .load import ask
from .manifests import service
from .routes import route, to

pytestmark = [pytest.mark.envoy, pytest.mark.parametrize("mesh", ["delta"], indirect=True)]

Command = Callable[..., Awaitable[str]]


def operator(plane: ControlPlane) -> Command:
    """`await run("status", status=1)`: what a command prints about this control plane."""

    async def run(*arguments: str, status: int = 0) -> str:
        command = [PROGRAM, *arguments, "--admin", plane.admin or ""]
        asked = partial(subprocess.run, command, capture_output=True, text=True, timeout=60)
        done = await asyncio.to_thread(asked)
        if os.environ.get("PILOTHOUSE_SHOW"):
            print("\n$ pilothouse", *arguments, f"\n{done.stdout}{done.stderr}")
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def row(text: str, *cells: str) -> str:
    """The line that has all of these cells."""
    found = [line for line in text.splitlines() if all(cell in line for cell in cells)]
    assert len(found) == 1, f"{cells} in {len(found)} lines of:\n{text}"
    return found[0]


async def test_why_is_payments_slow_from_zone_b(mesh, eventually) -> None:
    near, far = await mesh.backend("near"), await mesh.backend("far")
    slices = [far.slice("payments", zone="a"), near.slice("payments", zone="b")]
    mesh.manifests.save("payments", service("payments"), *slices)
    plane = await mesh.serve()
    sidecar = await mesh.sidecar(plane.port, "eu/b")
    await eventually(lambda: sidecar.answers("payments", 200, "near"))
    slices[1] = near.slice("payments", zone="b", conditions={"ready": False})
    mesh.manifests.save("payments", service("payments"), *slices)
    await eventually(lambda: sidecar.answers("payments", 200, "far"))

    said = await operator(plane)("explain", "payments", "--from", "web-1")
    assert "payments, called by proxy web-1 in shop at eu/b" in said
    assert "priority 0: 0 of 1 healthy; gets 0 %" in said
    assert "priority 1: 1 of 1 healthy; gets 100 %" in said
    assert "not-ready: the endpoint is not ready" in row(said, f"{near.host}:{near.port}", "0 %", " b ")
    assert row(said, f"{far.host}:{far.port}", "100 %", " a ")


async def test_why_does_this_endpoint_get_no_traffic(mesh, eventually) -> None:
    one, other = await mesh.backend("one"), await mesh.backend("other")
    renamed = other.slice("payments", port_name="web")
    mesh.manifests.save("payments", service("payments"), one.slice("payments"), renamed)
    plane = await mesh.serve()
    sidecar = await mesh.sidecar(plane.port)
    assert {await sidecar.server_of("payments") for _ in range(10)} == {"one"}

    said = await operator(plane)("endpoints", "shop/payments")
    assert "port-name-mismatch" in (line := row(said, f":{other.port}", "no"))
    assert "the slice has no TCP port named 'http'" in line
    assert row(said, f":{one.port}", "yes")


async def test_which_proxy_is_behind_and_since_when(mesh, eventually) -> None:
    one, other = await mesh.backend("one"), await mesh.backend("other")
    mesh.manifests.save("payments", service("payments"), one.slice("payments"))
    plane = await mesh.serve()
    frozen, well = await mesh.sidecar(plane.port), await mesh.sidecar(plane.port)
    run = operator(plane)
    await eventually(lambda: well.answers("payments", 200, "one"))
    frozen.pause()
    mesh.manifests.save("payments", service("payments"), other.slice("payments"))
    await eventually(lambda: well.answers("payments", 200, "other"))

    async def behind() -> bool:
        return "STALE" in await run("proxies")

    await eventually(behind, within=40)
    said = await run("status", status=1)
    assert "proxy web-1 is STALE: pilothouse proxies web-1" in said
    assert row(await run("proxies"), "web-2", "SYNCED")
    assert row(await run("proxies", "web-1"), "EDS", "STALE")
    assert "1 outstanding" in row(await run("changes", "shop/payments", "--since", "5m"), other.host, "/2 ")
    frozen.resume()
    await eventually(lambda: frozen.answers("payments", 200, "other"))

    async def synced() -> bool:
        return "web-1 is SYNCED" in await run("proxies", "web-1")

    await eventually(synced, within=60)


async def test_who_removed_all_endpoints_of_payments(mesh, eventually) -> None:
    one, other = await mesh.backend("one"), await mesh.backend("other")
    mesh.manifests.save("payments", service("payments"), one.slice("payments"), other.slice("payments"))
    plane = await mesh.serve()
    sidecar = await mesh.sidecar(plane.port)
    mesh.manifests.save("payments", service("payments"))
    await eventually(lambda: gone(sidecar, "payments"))

    said = await operator(plane)("changes", "shop/payments", "--since", "10m")
    last = row(said, "2 endpoints -> 0 endpoints")
    assert f"{mesh.manifests.folder}/payments.yaml" in last
    assert "1/1 proxy in" in last


async def test_what_was_refused_and_by_whose_fault(mesh, eventually) -> None:
    one = await mesh.backend("one")
    mesh.manifests.save("orders", service("orders"), one.slice("orders"))
    plane = await mesh.serve()
    sidecar = await mesh.sidecar(plane.port)
    encrypted = service("payments", ports=[{"name": "https", "port": 443}])
    encrypted["metadata"]["annotations"] = {"pilothouse.dev/originate-tls": "ca=/no/such/file.pem"}
    mesh.manifests.save("payments", encrypted, one.slice("payments", port_name="https"))
    await eventually(sidecar.rejected)
    await eventually(lambda: sidecar.answers("orders", 200, "one"))

    run = operator(plane)

    async def told() -> str:
        return said if "quarantined" in (said := await run("status", status=1)) else ""

    said = row(await eventually(told), "service shop/payments is quarantined")
    assert "rejected by web-1" in said
    assert "Invalid path: /no/such/file.pem" in said
    assert row(await run("services"), "payments", "quarantined", f"{mesh.manifests.folder}/payments.yaml")
    assert row(await run("changes", "shop/payments"), "rejected by web-1", "not accepted")


async def test_why_does_nothing_change_any_more(mesh, eventually) -> None:
    one, other = await mesh.backend("one"), await mesh.backend("other")
    mesh.manifests.save("payments", service("payments"), one.slice("payments"))
    plane = await mesh.serve()
    sidecar = await mesh.sidecar(plane.port)
    mesh.manifests.write("payments", "apiVersion: v1\nkind: Service\nmetadata: {name: payments\n")
    mesh.manifests.save("orders", service("orders"), other.slice("orders"))
    await eventually(lambda: sidecar.answers("orders", 200, "other"))
    assert await sidecar.answers("payments", 200, "one"), "its last good version stays"

    run = operator(plane)
    said = row(await run("sources"), "fault:", f"{mesh.manifests.folder}/payments.yaml:3")
    assert "keeping its last valid version" in said
    assert "warning: source files: 1 fault" in await run("status", status=1)


async def test_why_does_v2_get_30_percent_instead_of_10(mesh, eventually) -> None:
    for name in ("v1", "v2"):
        backend = await mesh.backend(name)
        mesh.manifests.save(name, service(name), backend.slice(name))
    canary = {"backendRefs": [to("v1") | {"weight": 70}, to("v2") | {"weight": 30}]}
    mesh.manifests.save("web", service("web"), route(canary))
    plane = await mesh.serve()
    sidecar = await mesh.sidecar(plane.port)
    asked = [await sidecar.server_of("web") for _ in range(200)]
    assert 30 < asked.count("v2") < 90

    said = await operator(plane)("explain", "web", "--from", "web-1")
    assert "HTTPRoute shop/web" in row(said, "requests")
    assert row(said, " 30.00 %", "v2.shop", "(weight 30)")
    assert row(said, " 70.00 %", "v1.shop", "(weight 70)")
    assert "acknowledged" in row(said, "RDS")


async def test_where_has_half_of_the_registry_gone_and_why_does_traffic_still_flow(mesh, eventually) -> None:
    one = await mesh.backend("one")
    names = [f"s{number}" for number in range(12)]
    many = [document for name in names for document in (service(name), one.slice(name))]
    mesh.manifests.save("all", *many)
    plane = await mesh.serve("--hold", "600")
    sidecar = await mesh.sidecar(plane.port)
    mesh.manifests.delete("all")
    run = operator(plane)

    async def held() -> str:
        return said if "shop/s11" in (said := await run("holds")) else ""

    said = await eventually(held)
    assert "files" in said
    assert await sidecar.answers("s3", 200, "one")
    assert "held" in await run("status", status=1)


async def test_where_is_the_proxy_that_was_there_a_minute_ago(mesh, eventually) -> None:
    one = await mesh.backend("one")
    mesh.manifests.save("payments", service("payments"), one.slice("payments"))
    plane = await mesh.serve()
    sidecar = await mesh.sidecar(plane.port)
    await mesh.sidecar(plane.port)
    await sidecar.close()
    run = operator(plane)

    async def vanished() -> str:
        return said if "web-1 is GONE" in (said := await run("proxies", "web-1")) else ""

    assert "the client ended it or is gone" in await eventually(vanished)
    assert "the client ended it or is gone" in row(await run("proxies"), "web-1", "GONE")
    assert row(await run("proxies"), "web-2", "SYNCED")


async def test_why_can_billing_not_reach_payments(mesh, eventually) -> None:
    one = await mesh.backend("one")
    private = service("payments")
    private["metadata"]["annotations"] = {"pilothouse.dev/export-to": "shop"}
    mesh.manifests.save("payments", private, one.slice("payments"))
    plane = await mesh.serve()
    shop = await mesh.sidecar(plane.port)
    billing = await mesh.sidecar(plane.port, namespace="billing")
    await eventually(lambda: shop.answers("payments.shop", 200, "one"))
    assert (await ask(billing.egress, "payments.shop")).status == 503

    said = await operator(plane)("explain", "payments.shop", "--from", "web-2", status=1)
    assert "leads nowhere: shop/payments [not-exported]" in said
    assert "billing" in said


async def gone(sidecar: Any, host: str) -> bool:
    """Whether the sidecar has nobody left to ask."""
    return (await ask(sidecar.egress, host)).status == 503
