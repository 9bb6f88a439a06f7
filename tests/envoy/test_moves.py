"""What leads to one service is moved to another under load, in one save, and not one request is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .backends import Backend
from .load import Load
from .manifests import alias, service
from .mesh import virtual_ip

pytestmark = pytest.mark.envoy

TURNS = 4


@pytest.fixture
def move(mesh, eventually):
    """Moves a host back and forth: `save(1, backend)` is the first state, `save(2, backend)` the other.

    `save` returns the name of the cluster that is left when the move is over. Requests for `host` go
    to the virtual IP `at`, else to the egress listener.
    """

    async def run(save: Callable[[int, Backend], str], host: str, at: str = "", **said: str) -> None:
        backends = [await mesh.backend("first"), await mesh.backend("second")]
        save(1, backends[0])
        sidecar = await mesh.sidecar((await mesh.serve()).port, **said)
        async with Load((at, 8080) if at else sidecar.egress, host) as load:
            for turn in range(1, 1 + TURNS):
                await load.more(50)
                cluster = save(1 + turn % 2, backends[turn % 2])
                await eventually(lambda name=cluster: sidecar.has_clusters(name))
            await load.more(100)
        await nothing_was_lost(load, sidecar)
        assert load.served.keys() == {"first", "second"}

    return run


async def test_an_alias_is_pointed_elsewhere_and_its_former_target_deleted(mesh, move) -> None:
    def save(number: int, backend: Backend) -> str:
        name = f"v{number}"
        target = f"{name}.shop.svc.cluster.local"
        mesh.manifests.save("checkout", alias("checkout", target), service(name), backend.slice(name))
        return f"outbound|8080||{target}"

    await move(save, "checkout")


async def test_a_port_gets_another_number(mesh, move) -> None:
    def save(number: int, backend: Backend) -> str:
        ports = [{"name": "http", "port": 8080 + number}]
        mesh.manifests.save("checkout", service("checkout", ports=ports), backend.slice("checkout"))
        return f"outbound|{8080 + number}||checkout.shop.svc.cluster.local"

    await move(save, "checkout")


@pytest.mark.parametrize("capture", ["proxy", "vip"])
async def test_a_virtual_ip_goes_to_another_service(mesh, move, capture) -> None:
    vip = virtual_ip()

    def save(number: int, backend: Backend) -> str:
        name = f"v{number}"
        mesh.manifests.save("checkout", service(name, clusterIP=vip), backend.slice(name))
        return f"outbound|8080||{name}.shop.svc.cluster.local"

    await move(save, vip, at=vip if capture == "vip" else "", capture=capture)


async def test_a_cluster_that_changes_serves_on_and_is_acknowledged_as_soon_as_it_is_warm(
    mesh, eventually
) -> None:
    backend = await mesh.backend("one")

    def save(protocol: str) -> None:
        port = {"name": "http", "port": 8080, "appProtocol": protocol}
        mesh.manifests.save("checkout", service("checkout", ports=[port]), backend.slice("checkout"))

    save("http")
    tap = await mesh.tap((await mesh.serve()).port)
    sidecar = await mesh.sidecar(tap.port)
    async with Load(sidecar.egress, "checkout") as load:
        for protocol in ("grpc", "http", "grpc"):
            answered = len(answers_of_clusters(tap))
            save(protocol)
            # Envoy itself would give up waiting for endpoints after 15 s.
            await eventually(lambda count=answered: len(answers_of_clusters(tap)) > count, within=10)
            await load.more(50)
    await nothing_was_lost(load, sidecar)
    assert not any(request.HasField("error_detail") for request in tap.recordings[-1].requests)
    stats = await sidecar.stats("cluster.*upstream_cx_http2_total")
    assert sum(stats.values()) > 1, "the change took effect"


def answers_of_clusters(tap):
    """The requests by which the sidecar has answered a response of clusters."""
    requests = tap.recordings[-1].requests
    return [one for one in requests if one.type_url.endswith(".Cluster") and one.response_nonce]


async def nothing_was_lost(load: Load, sidecar) -> None:
    assert load.failures == []
    assert await sidecar.rejected() == {}
