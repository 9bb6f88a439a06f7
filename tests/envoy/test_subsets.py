"""Endpoints of one Service told apart by labels of their Pods: by a route, and by a sidecar's own wish."""

from __future__ import annotations

from collections import Counter

import pytest

from .load import ask, served
from .manifests import service
from .routes import Teller, request, route, to, under

pytestmark = pytest.mark.envoy


def pod(name: str, **labels: str) -> dict:
    metadata = {"name": name, "namespace": "shop", "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}


def divided(name: str) -> dict:
    found = service(name)
    found["metadata"]["annotations"] = {"pilothouse.dev/subset-labels": "version"}
    return found


@pytest.fixture
async def versions(mesh):
    """Two pods of the first version in one zone, and one of the second in each of two."""
    found = {}
    for name, zone in (("v1-a", "a"), ("v1-b", "a"), ("v2-a", "a"), ("v2-b", "b")):
        found[name] = Teller(name)
        await found[name].start()
        slice_ = found[name].slice("payments", zone=zone, targetRef={"kind": "Pod", "name": name})
        mesh.manifests.save(name, slice_, pod(name, version=name[:2]))
    mesh.manifests.save("payments", divided("payments"))
    yield found
    for teller in found.values():
        await teller.stop()


async def test_a_route_reaches_the_subset_that_it_names_and_nothing_else(mesh, versions, eventually) -> None:
    canary = route(under("/", to("payments")), parent="web")
    canary["metadata"]["annotations"] = {"pilothouse.dev/subset": "version=v2"}
    mesh.manifests.save("web", service("web"), canary)
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    by_route = Counter([(await request(sidecar, "web")).backend for _ in range(40)])
    assert by_route == pytest.approx({"v2-a": 20, "v2-b": 20}, abs=2)
    assert set(Counter([(await request(sidecar, "payments")).backend for _ in range(40)])) == versions.keys()

    # A pod of another version in its place is not one of the subset any more, and then there is nobody in it.
    for name, zone in (("v2-a", "a"), ("v2-b", "b")):
        slice_ = versions[name].slice("payments", zone=zone, targetRef={"kind": "Pod", "name": name})
        mesh.manifests.save(name, slice_, pod(name, version="v3"))
    await eventually(lambda: has_status(sidecar, "web", 503))
    assert (await ask(sidecar.egress, "payments")).status == 200


async def test_a_sidecar_gets_the_first_subset_that_it_wants_and_is_ready(mesh, eventually) -> None:
    one, two = await mesh.backend("one"), await mesh.backend("two")
    slices = [
        backend.slice("payments", targetRef={"kind": "Pod", "name": backend.name}) for backend in (one, two)
    ]
    pods = pod("one", version="v1"), pod("two", version="v2")
    mesh.manifests.save("payments", divided("payments"), *slices, *pods)
    port = (await mesh.serve()).port
    wants = {"service": "shop/payments", "subset": {"version": ["v2", "v1"]}}
    picky, plain = await mesh.sidecar(port, dependencies=[wants]), await mesh.sidecar(port)
    assert await served(picky.egress, "payments", 20) == {"two": 20}
    assert await served(plain.egress, "payments", 20) == pytest.approx({"one": 10, "two": 10}, abs=1)

    slices[1]["endpoints"][0]["conditions"] = {"ready": False}
    mesh.manifests.save("payments", divided("payments"), *slices, *pods)
    await eventually(lambda: is_served(picky, "one"))
    slices[1]["endpoints"][0]["conditions"] = {"ready": True}
    mesh.manifests.save("payments", divided("payments"), *slices, *pods)
    await eventually(lambda: is_served(picky, "two"))
    assert await served(picky.egress, "payments", 20) == {"two": 20}


async def has_status(sidecar, host: str, status: int) -> bool:
    return (await ask(sidecar.egress, host)).status == status


async def is_served(sidecar, name: str) -> bool:
    return (await ask(sidecar.egress, "payments")).body == name
