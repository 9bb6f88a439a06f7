"""The control plane dies and comes back: nobody notices, and what Envoy has is not sent again."""

from __future__ import annotations

import pytest

from .load import Load, ask
from .manifests import alias, service
from .mesh import virtual_ip

pytestmark = pytest.mark.envoy

ORDERS = "outbound|8080||orders.shop.svc.cluster.local"


async def test_a_crash_loses_no_request_and_nothing_is_sent_again(mesh, eventually) -> None:
    one, two, three = [await mesh.backend(name) for name in ("one", "two", "three")]
    mesh.manifests.save("payments", service("payments", clusterIP=virtual_ip()), one.slice("payments"))
    mesh.manifests.save("orders", service("orders"), one.slice("orders"))
    mesh.manifests.save("db", tcp("db"), one.slice("db"))
    control_plane = await mesh.serve()
    tap = await mesh.tap(control_plane.port)
    sidecar = await mesh.sidecar(tap.port)

    async with Load(sidecar.egress, "payments") as load:
        # A history first: what was started with, changed, added and removed is not what is there now.
        mesh.manifests.save("payments", service("payments"), one.slice("payments"), two.slice("payments"))
        mesh.manifests.save("extra", service("extra"), one.slice("extra"))
        await eventually(lambda: sidecar.answers("extra", 200, "one"))
        mesh.manifests.delete("extra")
        mesh.manifests.delete("db")
        await eventually(lambda: settled(sidecar, 2, {"egress"}))

        control_plane.kill()
        await load.more(100)
        await mesh.launch(control_plane)
        await eventually(lambda: len(tap.recordings[-1].requests) == 4 and sidecar.connected())
        before = len(tap.recordings[-1].responses)
        mesh.manifests.save("orders", service("orders"), three.slice("orders"))
        await eventually(lambda: sidecar.answers("orders", 200, "three"))
        await load.more(100)

    assert load.failures == []
    assert len(tap.recordings) > 1
    assert before == 0
    responses = tap.recordings[-1].responses
    assert [names(response) for response in responses] == [[ORDERS]]
    assert await sidecar.rejected() == {}


async def test_what_changed_during_an_outage_is_all_that_is_sent(mesh, eventually) -> None:
    one, two = await mesh.backend("one"), await mesh.backend("two")
    for name in ("a", "b", "c"):
        mesh.manifests.save(name, service(name), one.slice(name))
    control_plane = await mesh.serve()
    tap = await mesh.tap(control_plane.port)
    sidecar = await mesh.sidecar(tap.port)

    control_plane.kill()
    mesh.manifests.save("a", service("a"), two.slice("a"))
    mesh.manifests.delete("b")
    await mesh.launch(control_plane)
    await eventually(lambda: sidecar.answers("a", 200, "two"))
    await eventually(lambda: settled(sidecar, 2, {"egress"}))
    assert (await ask(sidecar.egress, "b")).status == 503
    assert await ask(sidecar.egress, "c") == (200, "one")
    assert await sidecar.rejected() == {}
    if mesh.delta:
        sent = [name for response in tap.recordings[-1].responses for name in names(response)]
        assert sorted(sent) == ["egress", "outbound|8080||a.shop.svc.cluster.local"]


# State of the World does not let a client say what it has, so that it could be taken away in order.
@pytest.mark.parametrize("mesh", ["delta"], indirect=True)
async def test_a_route_that_was_moved_during_an_outage_loses_no_request(mesh, eventually) -> None:
    old, new = await mesh.backend("old"), await mesh.backend("new")
    v1, v2 = ("v1.shop.svc.cluster.local", "v2.shop.svc.cluster.local")
    mesh.manifests.save("checkout", alias("checkout", v1), service("v1"), old.slice("v1"))
    control_plane = await mesh.serve()
    sidecar = await mesh.sidecar(control_plane.port)
    async with Load(sidecar.egress, "checkout") as load:
        await load.more(50)
        control_plane.kill()
        mesh.manifests.save("checkout", alias("checkout", v2), service("v2"), new.slice("v2"))
        await mesh.launch(control_plane)
        await eventually(lambda: load.served["new"])
        await eventually(lambda: settled(sidecar, 1, {"egress"}))
        await load.more(100)
    assert load.failures == []


async def test_a_virtual_ip_that_came_during_an_outage_is_listened_at(mesh, eventually) -> None:
    one, vip = await mesh.backend("one"), virtual_ip()
    mesh.manifests.save("orders", service("orders", clusterIP=virtual_ip()), one.slice("orders"))
    control_plane = await mesh.serve()
    sidecar = await mesh.sidecar(control_plane.port, capture="vip")
    control_plane.kill()
    mesh.manifests.save("payments", service("payments", clusterIP=vip), one.slice("payments"))
    await mesh.launch(control_plane)
    await eventually(lambda: sidecar.answers("payments", 200, "one"))
    await eventually(lambda: listens_at(sidecar, f"{vip}_8080"))
    assert await ask((vip, 8080), "payments") == (200, "one")
    assert await sidecar.rejected() == {}


async def test_a_sidecar_that_is_there_first_gets_all_when_the_control_plane_comes(mesh, eventually) -> None:
    one = await mesh.backend("one")
    mesh.manifests.save("payments", service("payments"), one.slice("payments"))
    control_plane = await mesh.serve()
    control_plane.kill()
    sidecar = mesh.start_sidecar(control_plane.port)
    await eventually(sidecar.state)
    await mesh.launch(control_plane)
    await eventually(sidecar.live)
    assert await ask(sidecar.egress, "payments") == (200, "one")


def tcp(name: str):
    """A service on a virtual IP, so that it has a listener of its own."""
    return service(name, clusterIP=virtual_ip(), ports=[{"name": "tcp", "port": 5432}])


def names(response) -> list[str]:
    """The resources in a response, by name."""
    if hasattr(response, "version_info"):
        return [name_of(resource) for resource in response.resources]
    return [resource.name for resource in response.resources]


def name_of(resource) -> str:
    """The name inside an Any: field 1 of all four types of resource."""
    size = resource.value[1]
    assert resource.value[0] == 0x0A
    return resource.value[2 : 2 + size].decode()


async def settled(sidecar, clusters: int, listeners: set[str]) -> bool:
    """Whether the sidecar has let go of what was removed."""
    return len(await sidecar.clusters()) == clusters and await sidecar.listeners() == listeners


async def listens_at(sidecar, name: str) -> bool:
    return name in await sidecar.listeners()
