"""TLS through the egress listener, by server name, beside plain HTTP on the same port."""

from __future__ import annotations

import asyncio
import ssl

import pytest
import trustme

from .backends import Backend
from .load import Load, ask
from .manifests import service

pytestmark = pytest.mark.envoy

PORTS = [{"name": "https", "port": 443}]
CA = trustme.CA()


class TlsBackend(Backend):
    """Opens TLS itself, with a certificate of its own name."""

    async def start(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        CA.issue_cert(f"{self.name}.shop").configure_cert(context)
        self.server = await asyncio.start_server(self.serve, self.host, 0, ssl=context)
        self.port = self.server.sockets[0].getsockname()[1]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.name.encode())
        writer.close()

    async def stop(self) -> None:
        self.server.close()


@pytest.fixture
async def backends():
    found = [TlsBackend(name) for name in ("payments", "carts")]
    for backend in found:
        await backend.start()
    yield found
    for backend in found:
        await backend.stop()


async def said(egress: tuple[str, int], called: str) -> tuple[str, str] | None:
    """The name in the certificate of who answers a call, and what it says; None if nobody does."""
    context = ssl.create_default_context()
    CA.configure_trust(context)
    context.check_hostname = False  # it is called by other names as well
    try:
        reader, writer = await asyncio.open_connection(*egress, ssl=context, server_hostname=called)
    except (ssl.SSLError, OSError):
        return None
    ((_, name),) = writer.get_extra_info("peercert")["subjectAltName"]
    text = (await reader.read()).decode()
    writer.close()
    return name, text


async def test_tls_is_passed_on_by_server_name_and_http_goes_on(mesh, backends, eventually) -> None:
    web = await mesh.backend("web")
    mesh.manifests.save("web", service("web"), web.slice("web"))
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    async with Load(sidecar.egress, "web") as load:
        await load.more(100)
        for backend in backends:
            slices = backend.slice(backend.name, port_name="https")
            mesh.manifests.save(backend.name, service(backend.name, ports=PORTS), slices)
            answer = (f"{backend.name}.shop", backend.name)
            await eventually(lambda answer=answer: is_said(sidecar, answer[0], answer))
        for name in ("payments", "payments.shop.svc", "payments.shop.svc.cluster.local", "PAYMENTS.shop"):
            assert await said(sidecar.egress, name) == ("payments.shop", "payments"), name
        assert await said(sidecar.egress, "unknown.shop") is None
        mesh.manifests.delete("carts")
        await eventually(lambda: is_said(sidecar, "carts.shop", None))
        await load.more(100)
    assert load.failures == []
    assert await ask(sidecar.egress, "web") == (200, "web")


async def test_each_endpoint_of_a_headless_service_has_a_server_name(mesh, eventually) -> None:
    pods = [TlsBackend(f"db-{number}") for number in range(2)]
    for pod in pods:
        await pod.start()
    slices = [pod.slice("db", port_name="https", hostname=pod.name) for pod in pods]
    mesh.manifests.save("db", service("db", ports=PORTS, clusterIP="None"), *slices)
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    for pod in pods:
        for form in ("db", "db.shop", "db.shop.svc.cluster.local"):
            for _ in range(3):
                assert await said(sidecar.egress, f"{pod.name}.{form}") == (f"{pod.name}.shop", pod.name)
    assert {await said(sidecar.egress, "db") for _ in range(4)} == {(f"{p.name}.shop", p.name) for p in pods}
    assert await said(sidecar.egress, "db-2.db") is None
    mesh.manifests.save("db", service("db", ports=PORTS, clusterIP="None"), slices[0])
    await eventually(lambda: is_said(sidecar, "db-1.db", None))
    for pod in pods:
        await pod.stop()


async def is_said(sidecar, called: str, answer: tuple[str, str] | None) -> bool:
    return await said(sidecar.egress, called) == answer
