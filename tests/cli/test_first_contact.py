"""A real Envoy that was started with a printed bootstrap: whom it trusts, and what it says first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import trustme

from pilothouse._pb.envoy.service.discovery.v3 import discovery_pb2
from pilothouse.mesh.audience import Audience, Capture, audience
from pilothouse.mesh.dependencies import Dependencies
from pilothouse.model.services import Locality, ServiceName
from pilothouse.server.node import plain

pytestmark = pytest.mark.envoy

DELTA = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
SOTW = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
Started = Callable[..., Awaitable[None]]


class FirstRequests(grpc.GenericRpcHandler):
    """A control plane that hears and says nothing: `heard` is (method, first request) of every stream."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        async def listen(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
            await self.heard.put((details.method, await anext(requests)))
            async for _ in requests:
                yield b""

        return grpc.stream_stream_rpc_method_handler(listen)


@asynccontextmanager
async def listening(credentials: grpc.ServerCredentials | None) -> AsyncIterator[tuple[FirstRequests, int]]:
    handler, server = FirstRequests(), grpc.aio.server()
    server.add_generic_rpc_handlers([handler])
    place = "127.0.0.1:0"
    port = server.add_secure_port(place, credentials) if credentials else server.add_insecure_port(place)
    await server.start()
    try:
        yield handler, port
    finally:
        await server.stop(None)


@pytest.fixture
async def started(envoy: Path, pilothouse, tmp_path: Path) -> AsyncIterator[Started]:
    """Starts Envoy with what `pilothouse bootstrap ARGUMENTS` prints; stops it after the test."""
    running: list[asyncio.subprocess.Process] = []

    async def start(*arguments: object) -> None:
        base = ("bootstrap", "--node", "web-0", "--namespace", "shop", "--admin-port", 0)
        (tmp_path / "bootstrap.json").write_text(pilothouse(*base, *arguments).out)
        options = ["-l", "error", "--concurrency", "1", "--disable-hot-restart"]
        admin: list[str | Path] = ["--admin-address-path", tmp_path / "admin"]
        running.append(
            await asyncio.create_subprocess_exec(envoy, "-c", tmp_path / "bootstrap.json", *options, *admin)
        )

    yield start
    for process in running:
        process.terminate()
        await process.wait()


def facts(method: str, request: bytes) -> Audience:
    kind = discovery_pb2.DeltaDiscoveryRequest if method == DELTA else discovery_pb2.DiscoveryRequest
    return audience(plain(kind.FromString(request).node))


@pytest.mark.parametrize(("flags", "method"), [((), DELTA), (("--sotw",), SOTW)])
async def test_an_envoy_finds_the_control_plane_by_name_and_says_who_it_is(started, flags, method) -> None:
    said = ("--locality", "eu/eu-a", "--dependency", "data/*", "--capture", "vip", "--node-name", "worker-7")
    async with listening(None) as (handler, port), asyncio.timeout(20):
        await started(*said, *flags, "--control-plane", f"localhost:{port}")
        heard = await handler.heard.get()
    assert heard[0] == method
    assert facts(*heard) == Audience(
        namespace="shop",
        node="worker-7",
        locality=Locality("eu", "eu-a"),
        dependencies=Dependencies(frozenset({ServiceName("data", "*")})),
        capture=Capture.VIP,
    )


@pytest.fixture
def pki(tmp_path: Path) -> tuple[list[str | Path], grpc.ServerCredentials]:
    """The flags of a sidecar, and the credentials of a pilothouse.test that wants to see them."""
    ca = trustme.CA()
    server, client = ca.issue_cert("pilothouse.test"), ca.issue_cert("web-0.test")
    ca.cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    client.cert_chain_pems[0].write_to_path(str(tmp_path / "tls.crt"))
    client.private_key_pem.write_to_path(str(tmp_path / "tls.key"))
    pair = (server.private_key_pem.bytes(), server.cert_chain_pems[0].bytes())
    files = {"--tls-ca": "ca.crt", "--tls-cert": "tls.crt", "--tls-key": "tls.key"}
    flags = [part for flag, name in files.items() for part in (flag, tmp_path / name)]
    return flags, grpc.ssl_server_credentials([pair], ca.cert_pem.bytes(), require_client_auth=True)


async def test_with_certificates_both_sides_know_each_other(started, pki) -> None:
    flags, credentials = pki
    async with listening(credentials) as (handler, port), asyncio.timeout(20):
        await started(*flags, "--tls-san", "pilothouse.test", "--control-plane", f"127.0.0.1:{port}")
        assert facts(*await handler.heard.get()).namespace == "shop"


async def test_a_control_plane_without_the_wanted_name_is_never_spoken_to(
    started, pki, tmp_path, eventually
) -> None:
    flags, credentials = pki

    async def refused() -> bool:
        place = (tmp_path / "admin").read_text() if (tmp_path / "admin").exists() else ""
        if not place:
            return False
        async with httpx.AsyncClient(base_url=f"http://{place}", verify=False) as client:
            stats = (await client.get("/stats?filter=cluster.xds.ssl.fail_verify_san")).text
        return stats.startswith("cluster.xds.ssl.fail_verify_san: ") and not stats.endswith(": 0\n")

    async with listening(credentials) as (handler, port):
        # Without --tls-san it is the address that the certificate would have to name.
        await started(*flags, "--control-plane", f"127.0.0.1:{port}")
        await eventually(refused, within=20)
        assert handler.heard.empty()
