"""What Services say about how they are called, with real traffic: affinity, balance, checks, ejection."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from .backends import Backend
from .load import Connection, ask, served
from .manifests import service
from .mesh import virtual_ip

pytestmark = pytest.mark.envoy

BY_HASH = {"maglev", "ring-hash"}
NEAR_AND_FAR = "*/eu-a: */eu-a=80, */eu-b=20"
EVERYTHING = {
    "circuit-breaking": "max-connections=100, max-pending-requests=100, max-requests=100, max-retries=10",
    "outlier-detection": "consecutive-5xx=5, interval=1s, base-ejection-time=5s, max-ejection-percent=20",
    "health-check": "tcp, interval=1s, timeout=500ms, unhealthy=2, healthy=1",
    "tcp-keepalive": "time=60s, interval=10s, probes=3",
    "connect-timeout": "500ms",
}


def declared(name: str, annotations: dict[str, str], **spec: Any) -> dict:
    found = service(name, **spec)
    found["metadata"]["annotations"] = {f"pilothouse.dev/{key}": text for key, text in annotations.items()}
    return found


class Ailing(Backend):
    """One whose health checks fail when it is not `well`, or that fails, or pauses."""

    well = True
    failing = False
    pause: asyncio.Event | None = None

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if self.pause is not None:
                await self.pause.wait()
            bad = self.failing or (not self.well and head.startswith(b"GET /healthz "))
            status, body = b"503 Unavailable" if bad else b"200 OK", self.name.encode()
            writer.write(b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body))
            await writer.drain()


@pytest.fixture
async def ailing():
    """Makes backends that can be ill."""
    started: list[Ailing] = []

    async def make(name: str) -> Ailing:
        started.append(Ailing(name))
        await started[-1].start()
        return started[-1]

    yield make
    for backend in started:
        await backend.stop()


async def by_query(sidecar, host: str, users: range) -> dict[int, str]:
    """The backend that serves each user, who is named in the query."""
    connection = Connection(sidecar.egress)
    try:
        return {user: (await connection.ask(host, f"/?user={user}")).body for user in users}
    finally:
        await connection.close()


async def test_each_client_stays_at_an_endpoint_and_not_all_at_the_same(mesh, eventually) -> None:
    backends = [await mesh.backend(f"b{n}") for n in range(60)]
    sticky = service("payments", sessionAffinity="ClientIP")
    mesh.manifests.save("web", service("web"), backends[0].slice("web"))
    port = (await mesh.serve()).port
    sidecars = [await mesh.sidecar(port) for _ in range(3)]
    before = (await sidecars[0].stats("listener_manager"))["listener_manager.listener_modified"]

    def save(*chosen: Backend) -> None:
        mesh.manifests.save("payments", sticky, *(backend.slice("payments") for backend in chosen))

    save(*backends)
    for sidecar in sidecars:
        await eventually(lambda sidecar=sidecar: sidecar.server_of("payments"))
    found = [Counter([(await ask(s.egress, "payments")).body for _ in range(5)]) for s in sidecars]
    assert [len(each) for each in found] == [1, 1, 1]
    homes = ["".join(each) for each in found]
    assert len(set(homes)) > 1
    # The listener for requests is the one that was there.
    assert (await sidecars[0].stats("listener_manager"))["listener_manager.listener_modified"] == before

    gone = homes[0]
    save(*(backend for backend in backends if backend.name != gone))
    await eventually(lambda: moved(sidecars[0], gone))
    assert len(await served(sidecars[0].egress, "payments", 5)) == 1
    for sidecar in sidecars:
        assert await sidecar.rejected() == {}


async def moved(sidecar, gone: str) -> bool:
    return await sidecar.server_of("payments") not in (None, gone)


async def test_a_client_stays_at_an_endpoint_by_virtual_ip_as_well(mesh) -> None:
    backends, vip = [await mesh.backend(f"b{n}") for n in range(5)], virtual_ip()
    ports = [{"name": "http", "port": 8080}, {"name": "tcp", "port": 5432}]
    slices = [backend.slice("payments") for backend in backends]
    for found in slices:
        found["ports"].append({"name": "tcp", "port": found["ports"][0]["port"]})
    sticky = service("payments", sessionAffinity="ClientIP", clusterIP=vip, ports=ports)
    mesh.manifests.save("payments", sticky, *slices)
    sidecar = await mesh.sidecar((await mesh.serve()).port, capture="vip")
    found = {port: Counter([(await ask((vip, port), "any")).body for _ in range(8)]) for port in (8080, 5432)}
    assert [len(each) for each in found.values()] == [1, 1]
    assert await sidecar.rejected() == {}


async def test_an_endpoint_that_goes_takes_only_its_own_with_it(mesh, eventually) -> None:
    backends = [await mesh.backend(f"b{n}") for n in range(6)]
    hashed = declared("payments", {"hash-on": "query:user"})
    mesh.manifests.save("payments", hashed, *(backend.slice("payments") for backend in backends))
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    before = await by_query(sidecar, "payments", range(200))
    assert before == await by_query(sidecar, "payments", range(200))
    assert len(set(before.values())) == 6

    mesh.manifests.save("payments", hashed, *(backend.slice("payments") for backend in backends[1:]))
    await eventually(lambda: has_endpoints(sidecar, 5))
    after = await by_query(sidecar, "payments", range(200))
    stayed = [user for user, server in before.items() if server == after[user]]
    assert "b0" not in after.values()
    assert len(stayed) > 0.9 * sum(server != "b0" for server in before.values())

    # And nobody says so: who was there is served elsewhere, as soon as Envoy has seen connections break.
    await backends[1].stop()
    await eventually(lambda: serves(sidecar, {"b2", "b3", "b4", "b5"}))
    await backends[1].start()


async def serves(sidecar, names: set[str]) -> bool:
    return {*(await by_query(sidecar, "payments", range(200))).values()} == names


async def has_endpoints(sidecar, count: int) -> bool:
    return [len(found) for found in (await sidecar.clusters()).values()] == [count]


async def test_a_failed_health_check_takes_an_endpoint_out_until_it_recovers(
    mesh, ailing, eventually
) -> None:
    ill, other = await ailing("ill"), await ailing("other")
    ill.well = False
    checked = declared("payments", {"health-check": "http, path=/healthz, interval=100ms, healthy=1"})
    mesh.manifests.save("payments", checked, ill.slice("payments"), other.slice("payments"))
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    await eventually(lambda: sidecar.answers("payments", 200, "other"))
    assert await served(sidecar.egress, "payments", 10) == {"other": 10}
    ill.well, other.well = True, False
    await eventually(lambda: sidecar.answers("payments", 200, "ill"))
    await eventually(lambda: all_from(sidecar, "ill"))


async def all_from(sidecar, name: str) -> bool:
    return await bodies(sidecar, "payments", 6) == {name: 6}


async def bodies(sidecar, host: str, requests: int) -> Counter[str]:
    """Who answers, whatever the status."""
    return Counter([(await ask(sidecar.egress, host)).body for _ in range(requests)])


async def test_an_endpoint_that_fails_as_a_gateway_rests_but_never_the_only_one(
    mesh, ailing, eventually
) -> None:
    bad, good = await ailing("bad"), await ailing("good")
    bad.failing = True
    mesh.manifests.save("payments", service("payments"), bad.slice("payments"), good.slice("payments"))
    mesh.manifests.save("lonely", service("lonely"), bad.slice("lonely"))
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    await eventually(lambda: all_from(sidecar, "good"))
    assert await bodies(sidecar, "lonely", 12) == {"bad": 12}


async def test_a_limit_refuses_what_is_more_than_it(mesh, ailing) -> None:
    slow = await ailing("slow")
    slow.pause = asyncio.Event()
    limited = declared("payments", {"circuit-breaking": "max-requests=2, max-retries=0"})
    mesh.manifests.save("payments", limited, slow.slice("payments"))
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    asked = [asyncio.create_task(ask(sidecar.egress, "payments")) for _ in range(5)]
    while sum(task.done() for task in asked) < 3:
        await asyncio.wait([task for task in asked if not task.done()], return_when=asyncio.FIRST_COMPLETED)
    slow.pause.set()
    assert Counter([answer.status for answer in await asyncio.gather(*asked)]) == {503: 3, 200: 2}


async def test_every_policy_is_accepted_and_keeps_the_shares_of_localities(mesh, eventually) -> None:
    near, far, vip = await mesh.backend("near"), await mesh.backend("far"), virtual_ip()
    balances = ("round-robin", "least-request", "random", "ring-hash", "maglev")
    for balance in balances:
        said = EVERYTHING | {"load-balancing": balance, "distribute": NEAR_AND_FAR}
        said["slow-start" if balance not in BY_HASH else "hash-on"] = (
            "1ms" if balance not in BY_HASH else "query:user"
        )
        said.pop("slow-start") if balance == "random" else None
        mesh.manifests.save(
            balance,
            declared(balance, said),
            near.slice(balance, zone="eu-a"),
            far.slice(balance, zone="eu-b", weight=9),
        )
    ports = [{"name": name, "port": n} for n, name in enumerate(("http", "grpc", "tls", "tcp"), start=8080)]
    for kind in ("client", "header:x-user", "cookie:sid", "cookie:sid:1h", "query:user"):
        name = "by-" + kind.partition(":")[0] + str(len(kind))
        checks = {"health-check": "grpc, service=x", "hash-on": kind, "outlier-detection": "off"}
        mesh.manifests.save(
            name, declared(name, checks, clusterIP="None" if kind == "client" else vip, ports=ports)
        )
    sidecar = await mesh.sidecar((await mesh.serve()).port, locality="eu/eu-a", capture="vip")
    for balance in balances:
        await eventually(lambda balance=balance: sidecar.server_of(balance))
        shares = Counter((await by_query(sidecar, balance, range(300))).values())
        assert shares == pytest.approx({"near": 240, "far": 60}, abs=30), balance
    assert await sidecar.rejected() == {}
