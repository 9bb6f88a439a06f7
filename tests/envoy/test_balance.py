"""Which endpoints get the traffic: by weight, by health, by locality."""

from __future__ import annotations

import pytest

from .load import served
from .manifests import node, service

pytestmark = pytest.mark.envoy

NO_HOST = (503, "no healthy upstream")
HERE, THERE, FAR = {"nodeName": "n1", "zone": "eu-a"}, {"nodeName": "n2", "zone": "eu-b"}, {"nodeName": "n3"}
NODES = (node("n1", "eu", "eu-a"), node("n2", "eu", "eu-b"), node("n3", "us", "us-a"))


@pytest.fixture
async def trio(mesh):
    return [await mesh.backend(name) for name in ("one", "two", "three")]


@pytest.fixture
def save(mesh, trio):
    """Saves the service `payments` over the three backends, with these fields in the slice of each."""

    def run(*fields: dict[str, object]) -> None:
        slices = [backend.slice("payments", **each) for backend, each in zip(trio, fields, strict=False)]
        mesh.manifests.save("payments", service("payments"), *slices)

    return run


async def test_endpoints_get_their_share_by_weight(mesh, save, eventually) -> None:
    save({"weight": 1}, {"weight": 3}, {"weight": 6})
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    shares = await served(sidecar.egress, "payments", 200)
    assert shares == pytest.approx({"one": 20, "two": 60, "three": 120}, abs=2)

    save({"weight": 5}, {"weight": 5}, {"weight": 10})
    await eventually(lambda: weights(sidecar, [5, 5, 10]))
    shares = await served(sidecar.egress, "payments", 200)
    assert shares == pytest.approx({"one": 50, "two": 50, "three": 100}, abs=2)


async def test_an_endpoint_of_weight_0_is_not_served(mesh, save, eventually) -> None:
    save({"weight": 0}, {}, {"weight": 0})
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    assert await served(sidecar.egress, "payments", 10) == {"two": 10}
    save({"weight": 0}, {"weight": 0}, {"weight": 0})
    await eventually(lambda: sidecar.answers("payments", *NO_HOST))


async def test_an_endpoint_that_is_not_ready_is_not_served_even_if_no_other_is(
    mesh, save, eventually
) -> None:
    out = {"conditions": {"ready": False}}
    save(out, {}, out)
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    assert await served(sidecar.egress, "payments", 10) == {"two": 10}
    save(out, out, out)
    await eventually(lambda: sidecar.answers("payments", *NO_HOST))
    save(out, out, {})
    await eventually(lambda: sidecar.answers("payments", 200, "three"))


async def test_an_endpoint_that_terminates_serves_only_if_nothing_is_ready(mesh, save, eventually) -> None:
    going = {"conditions": {"ready": False, "serving": True, "terminating": True}}
    save(going, {})
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    assert await served(sidecar.egress, "payments", 10) == {"two": 10}
    save(going)
    await eventually(lambda: sidecar.answers("payments", 200, "one"))


async def test_a_lost_zone_fails_over_to_the_nearest_and_back(mesh, save, eventually) -> None:
    mesh.manifests.save("nodes", *NODES)
    save(HERE, THERE, FAR)
    sidecar = await mesh.sidecar((await mesh.serve()).port, locality="eu/eu-a")
    assert await served(sidecar.egress, "payments", 10) == {"one": 10}
    lost = {"conditions": {"ready": False}}
    for fields, nearest in [
        (({**HERE, **lost}, THERE, FAR), "two"),
        (({**HERE, **lost}, {**THERE, **lost}, FAR), "three"),
        (({**HERE, **lost}, THERE, FAR), "two"),
        ((HERE, THERE, FAR), "one"),
    ]:
        save(*fields)
        await eventually(lambda wanted=nearest: sidecar.answers("payments", 200, wanted))
        assert await served(sidecar.egress, "payments", 10) == {nearest: 10}


async def test_a_zone_without_endpoints_is_served_by_the_next(mesh, trio, save, eventually) -> None:
    mesh.manifests.save("nodes", *NODES)
    save(HERE, THERE, FAR)
    sidecar = await mesh.sidecar((await mesh.serve()).port, locality="eu/eu-a")
    mesh.manifests.save("payments", service("payments"), trio[1].slice("payments", **THERE))
    await eventually(lambda: sidecar.answers("payments", 200, "two"))
    save(HERE, THERE)
    await eventually(lambda: sidecar.answers("payments", 200, "one"))


async def test_each_sidecar_is_served_from_its_own_zone(mesh, save) -> None:
    mesh.manifests.save("nodes", *NODES)
    save(HERE, THERE, FAR)
    port = (await mesh.serve()).port
    for locality, nearest in (("eu/eu-a", "one"), ("eu/eu-b", "two"), ("us/us-a", "three")):
        sidecar = await mesh.sidecar(port, locality=locality)
        assert await served(sidecar.egress, "payments", 5) == {nearest: 5}
    nowhere = await mesh.sidecar(port)
    assert await served(nowhere.egress, "payments", 12) == {"one": 4, "two": 4, "three": 4}


async def weights(sidecar, wanted: list[int]) -> bool:
    """Whether the endpoints have these weights, in whatever order."""
    (hosts,) = (await sidecar.clusters()).values()
    return sorted(hosts.values()) == sorted(wanted)
