"""What cannot be read now was not deleted: running Envoys keep it, whatever happens to the control plane."""

from __future__ import annotations

import shutil

import pytest
import yaml

from .load import Load, ask
from .manifests import service
from .mesh import virtual_ip

pytestmark = pytest.mark.envoy

BROKEN = "apiVersion: v1\nkind: Service\nmetadata: {name: orders, namespace: shop}\nspec: {ports: [{name: ht"


async def test_a_restart_beside_a_broken_file_takes_nothing_from_running_envoys(mesh, eventually) -> None:
    one, two, three = [await mesh.backend(name) for name in ("one", "two", "three")]
    mesh.manifests.save("orders", service("orders", clusterIP=virtual_ip()), one.slice("orders"))
    mesh.manifests.save("payments", service("payments"), one.slice("payments"))
    mesh.manifests.save("extra", service("extra"), one.slice("extra"))
    control_plane = await mesh.serve("--no-state")
    sidecar = await mesh.sidecar(control_plane.port, capture="vip")
    clusters, listeners = await sidecar.clusters(), await sidecar.listeners()
    async with Load(sidecar.egress, "orders") as load:
        await load.more(20)
        control_plane.kill()
        mesh.manifests.write("orders", BROKEN)
        mesh.manifests.save("payments", service("payments"), two.slice("payments"))
        await mesh.launch(control_plane)
        await eventually(sidecar.connected)
        await eventually(lambda: sidecar.answers("payments", 200, "two"))  # endpoints follow
        ready = await control_plane.ready()
        assert (ready["status"], ready["ready"]) == (503, False)
        path = str(mesh.manifests.folder / "orders.yaml")
        assert ready["sources"][0]["unknown"] == [path]
        assert path in ready["reasons"][0]

        mesh.manifests.delete("extra")  # a removal that somebody stated
        await eventually(lambda: gone(sidecar, "extra"))
        newcomer = await mesh.sidecar(control_plane.port)
        assert await ask(newcomer.egress, "payments") == (200, "two")
        assert (await sidecar.clusters()).keys() >= clusters.keys() - {cluster("extra")}
        assert await sidecar.listeners() >= listeners
        await load.more(50)

        mesh.manifests.save("orders", service("orders"), three.slice("orders"))
        await eventually(lambda: load.served["three"])
        await eventually(lambda: sidecar.has_listeners("egress"))
        assert (await control_plane.ready())["ready"]
        await load.more(50)
    assert load.failures == []
    assert await sidecar.rejected() == {}


async def gone(sidecar, name: str) -> bool:
    """Whether nothing of a service is called any more: State of the World cannot say more than that."""
    return not (await sidecar.clusters()).get(cluster(name))


def cluster(name: str) -> str:
    return f"outbound|8080||{name}.shop.svc.cluster.local"


async def test_a_slice_that_cannot_be_read_takes_no_endpoints_from_running_envoys(mesh, eventually) -> None:
    one, two = await mesh.backend("one"), await mesh.backend("two")
    text = yaml.safe_dump_all([service("orders"), one.slice("orders")])
    mesh.manifests.write("orders", text)
    mesh.manifests.save("payments", service("payments"), one.slice("payments"))
    control_plane = await mesh.serve("--no-state")
    sidecar = await mesh.sidecar(control_plane.port)
    async with Load(sidecar.egress, "orders") as load:
        control_plane.kill()
        mesh.manifests.write("orders", text[: text.index("addresses") + 4])
        mesh.manifests.save("payments", service("payments"), two.slice("payments"))
        await mesh.launch(control_plane)
        await eventually(lambda: sidecar.answers("payments", 200, "two"))
        await load.more(50)
        mesh.manifests.save("orders", service("orders"), two.slice("orders"))
        await eventually(lambda: load.served["two"])
    assert load.failures == []


async def test_what_is_missing_can_be_accepted(mesh, eventually) -> None:
    one = await mesh.backend("one")
    for name in ("orders", "payments"):
        mesh.manifests.save(name, service(name), one.slice(name))
    control_plane = await mesh.serve("--no-state", "--accept-missing")
    sidecar = await mesh.sidecar(control_plane.port)
    control_plane.kill()
    mesh.manifests.write("orders", BROKEN)
    await mesh.launch(control_plane)
    await eventually(lambda: sidecar.has_clusters(cluster("payments")))
    assert (await ask(sidecar.egress, "orders")).status == 503


async def test_with_its_state_a_restarted_process_knows_what_a_broken_file_said(mesh, eventually) -> None:
    one, two = await mesh.backend("one"), await mesh.backend("two")
    state = mesh.manifests.folder.with_name("state")
    mesh.manifests.save("orders", service("orders"), one.slice("orders"))
    mesh.manifests.save("payments", service("payments"), one.slice("payments"))
    control_plane = await mesh.serve("--state", str(state))
    sidecar = await mesh.sidecar(control_plane.port)
    await eventually(lambda: len([*state.glob("files/*.state")]) == 2)
    control_plane.kill()
    mesh.manifests.write("orders", BROKEN)
    await mesh.launch(control_plane)
    ready = await control_plane.ready()
    assert (ready["status"], ready["ready"], ready["degraded"]) == (200, True, True)
    assert ready["sources"][0]["faults"][0]["in_force"] == "keeping its last valid version"
    newcomer = await mesh.sidecar(control_plane.port)
    assert await ask(newcomer.egress, "orders") == (200, "one")
    mesh.manifests.save("payments", service("payments"), two.slice("payments"))
    await eventually(lambda: sidecar.answers("payments", 200, "two"))
    assert await ask(sidecar.egress, "orders") == (200, "one")

    # What was removed while nobody looked was removed.
    control_plane.kill()
    mesh.manifests.delete("orders")
    await mesh.launch(control_plane)
    await eventually(lambda: sidecar.has_clusters(cluster("payments")))
    await eventually(lambda: len([*state.glob("files/*.state")]) == 1)


async def test_a_folder_that_is_emptied_takes_nothing_away_until_that_has_lasted(mesh, eventually) -> None:
    one = await mesh.backend("one")
    names = [f"s{number}" for number in range(20)]
    for name in names:
        mesh.manifests.save(name, service(name), one.slice(name))
    control_plane = await mesh.serve("--hold", "4")
    sidecar = await mesh.sidecar(control_plane.port)
    for name in names:
        mesh.manifests.delete(name)
    hold = await eventually(lambda: held(control_plane))
    assert (hold["services"], hold["endpoints"]) == (20, 20)
    assert "since nobody removed them one by one" in (await control_plane.ready())["warnings"][0]
    assert await ask(sidecar.egress, "s7") == (200, "one")
    mesh.manifests.save("new", service("new"), one.slice("new"))
    await eventually(lambda: sidecar.answers("new", 200, "one"))
    await eventually(lambda: sidecar.has_clusters(cluster("new")), 30)
    assert await held(control_plane) is None


async def held(control_plane) -> dict | None:
    return (await control_plane.ready())["sources"][0]["hold"]


async def test_an_empty_folder_at_the_start_is_not_believed(mesh, eventually) -> None:
    one = await mesh.backend("one")
    for number in range(3):
        mesh.manifests.save(f"s{number}", service(f"s{number}"), one.slice(f"s{number}"))
    control_plane = await mesh.serve("--state", str(mesh.manifests.folder.with_name("state")), "--hold", "5")
    sidecar = await mesh.sidecar(control_plane.port)
    control_plane.kill()
    shutil.move(mesh.manifests.folder, mesh.manifests.folder.with_name("elsewhere"))
    mesh.manifests.folder.mkdir()
    control_plane.launch()
    await eventually(lambda: is_unready_for(control_plane, "holds no manifest"))
    assert await ask(sidecar.egress, "s1") == (200, "one")
    shutil.move(mesh.manifests.folder.with_name("elsewhere") / "s0.yaml", mesh.manifests.folder)
    await eventually(lambda: control_plane.serving)
    # Two of three went with their folder, and the one in its place has fewer files than are missing.
    await eventually(lambda: held(control_plane))
    assert await ask(sidecar.egress, "s1") == (200, "one")
    await eventually(lambda: sidecar.has_clusters(cluster("s0")))  # the hold is over


async def is_unready_for(control_plane, reason: str) -> bool:
    ready = await control_plane.ready() if control_plane.admin else {"reasons": []}
    return any(reason in each for each in ready["reasons"])
