"""Who is called first, and who not at all: by node, by hint, by share. With real traffic."""

from __future__ import annotations

from typing import Any

import pytest

from .backends import Backend
from .load import ask, served
from .manifests import endpoint_slice, node, service

pytestmark = pytest.mark.envoy

NO_HOST = (503, "no healthy upstream")
NODES = (node("n1", "eu", "eu-a"), node("n2", "eu", "eu-a"), node("n3", "eu", "eu-b"))
LOST = {"conditions": {"ready": False}}
GOING = {"conditions": {"ready": False, "serving": True, "terminating": True}}


@pytest.fixture
async def trio(mesh):
    """A backend on each of the nodes."""
    mesh.manifests.save("nodes", *NODES)
    return [await mesh.backend(name) for name in ("one", "two", "three")]


@pytest.fixture
def save(mesh, trio):
    """Saves the service `payments` with these fields in the endpoint on each node."""

    def run(*fields: dict[str, object], annotations: dict[str, str] | None = None, **spec: Any) -> None:
        declared = service("payments", **spec)
        declared["metadata"]["annotations"] = annotations or {}
        slices = [
            backend.slice("payments", nodeName=f"n{n}", **each)
            for n, (backend, each) in enumerate(zip(trio, fields, strict=True), start=1)
        ]
        mesh.manifests.save("payments", declared, *slices)

    return run


async def test_traffic_policy_local_stays_on_the_node_whatever_happens(mesh, save, eventually) -> None:
    save({}, {}, {}, internalTrafficPolicy="Local")
    port = (await mesh.serve()).port
    here, elsewhere, unknown = [await mesh.sidecar(port, node=name) for name in ("n1", "n9", "")]
    assert await served(here.egress, "payments", 10) == {"one": 10}
    assert (await served(unknown.egress, "payments", 12)).keys() == {"one", "two", "three"}
    await eventually(lambda: elsewhere.answers("payments", *NO_HOST))
    save(LOST, {}, {}, internalTrafficPolicy="Local")
    await eventually(lambda: here.answers("payments", *NO_HOST))
    save(GOING, {}, {}, internalTrafficPolicy="Local")
    await eventually(lambda: here.answers("payments", 200, "one"))


async def test_the_same_node_is_preferred_then_the_zone_and_back_again(mesh, save, eventually) -> None:
    save({}, {}, {}, trafficDistribution="PreferSameNode")
    sidecar = await mesh.sidecar((await mesh.serve()).port, locality="eu/eu-a", node="n2")
    assert await served(sidecar.egress, "payments", 10) == {"two": 10}
    for states, nearest in (({}, LOST, {}), "one"), ((LOST, LOST, {}), "three"), (({}, {}, {}), "two"):
        save(*states, trafficDistribution="PreferSameNode")
        await eventually(lambda wanted=nearest: sidecar.answers("payments", 200, wanted))
        assert await served(sidecar.egress, "payments", 10) == {nearest: 10}


async def test_hints_come_first_and_the_rest_stands_in(mesh, save, eventually) -> None:
    for_a, for_b = ({"hints": {"forZones": [{"name": zone}]}} for zone in ("eu-a", "eu-b"))
    save(for_b, for_b, for_a)
    sidecar = await mesh.sidecar((await mesh.serve()).port, locality="eu/eu-a")
    assert await served(sidecar.egress, "payments", 10) == {"three": 10}
    save(for_a, for_b, {**for_a, **LOST})
    await eventually(lambda: sidecar.answers("payments", 200, "one"))
    save(for_b, {}, for_a)  # one is without: they do not count
    await eventually(lambda: shared_evenly(sidecar, "one", "two"))


async def test_shares_are_as_they_were_set_whatever_the_numbers_of_endpoints(mesh, save) -> None:
    shares = {"pilothouse.dev/distribute": "eu/eu-a: eu/eu-a=80, eu/eu-b=20"}
    save({}, {}, {"weight": 5}, annotations=shares)
    sidecar = await mesh.sidecar((await mesh.serve()).port, locality="eu/eu-a")
    found = await served(sidecar.egress, "payments", 200)
    assert found == pytest.approx({"one": 80, "two": 80, "three": 40}, abs=3)


class OfIpv6(Backend):
    host = "::1"


async def test_a_pod_of_both_families_is_reached_at_the_address_that_answers(mesh) -> None:
    backend = OfIpv6("six")
    await backend.start()
    try:
        pod: Any = {"targetRef": {"kind": "Pod", "name": "payments-0", "uid": "u1"}}
        silent = endpoint_slice("payments", "127.0.0.1", backend.port, **pod)
        mesh.manifests.save("payments", service("payments"), backend.slice("payments", **pod), silent)
        port = (await mesh.serve()).port
        sidecar = await mesh.sidecar(port)
        assert await served(sidecar.egress, "payments", 10) == {"six": 10}
        of_ipv4 = await mesh.sidecar(port, families=["ipv4"])
        assert (await ask(of_ipv4.egress, "payments")).status == 503
    finally:
        await backend.stop()


async def test_how_much_of_a_zone_may_fail_before_requests_leave_it_can_be_set(
    mesh, save, eventually
) -> None:
    save({}, LOST, {})
    sidecar = await mesh.sidecar((await mesh.serve()).port, locality="eu/eu-a")
    assert await served(sidecar.egress, "payments", 200) == pytest.approx({"one": 140, "three": 60}, abs=25)
    save({}, LOST, {}, annotations={"pilothouse.dev/overprovisioning-factor": "100000"})

    async def stays() -> bool:
        return await served(sidecar.egress, "payments", 40) == {"one": 40}

    await eventually(stays)


async def shared_evenly(sidecar, *names: str) -> bool:
    """Not so while some are of another priority, which gets the rest of what the first can take."""
    found = await served(sidecar.egress, "payments", 10 * len(names))
    return found == pytest.approx(dict.fromkeys(names, 10), abs=3)
