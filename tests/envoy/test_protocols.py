"""What ports are said to speak, with real traffic."""

from __future__ import annotations

import asyncio

import pytest

from .backends import Backend
from .load import ask
from .manifests import service
from .mesh import virtual_ip

pytestmark = pytest.mark.envoy


class WebSocket(Backend):
    """One that switches protocols, and then sends back whatever comes."""

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert b"upgrade: websocket" in (await reader.readuntil(b"\r\n\r\n")).lower()
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        while data := await reader.read(100):
            writer.write(data)


async def test_a_websocket_is_an_upgrade_of_http(mesh) -> None:
    backend = WebSocket("socket")
    await backend.start()
    try:
        port = {"name": "chat", "port": 8080, "appProtocol": "kubernetes.io/ws"}
        mesh.manifests.save("chat", service("chat", ports=[port]), backend.slice("chat", port_name="chat"))
        sidecar = await mesh.sidecar((await mesh.serve()).port)
        reader, writer = await asyncio.open_connection(*sidecar.egress)
        writer.write(b"GET / HTTP/1.1\r\nhost: chat\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        for said in (b"hello", b"again"):
            writer.write(said)
            assert await reader.readexactly(len(said)) == said
        writer.close()
    finally:
        await backend.stop()


async def test_a_namespace_makes_connections_of_what_would_be_requests(mesh, eventually) -> None:
    backend, vip = await mesh.backend("one"), virtual_ip()
    ports = [{"name": "any", "port": 8080}, {"name": "http", "port": 80}]
    found = backend.slice("db", port_name="any")
    found["ports"].append({"name": "http", "port": backend.port})
    mesh.manifests.save("db", service("db", clusterIP=vip, ports=ports), found)
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    assert await sidecar.answers("db:8080", 200, "one")
    assert await sidecar.listeners() == {"egress"}

    annotations = {"pilothouse.dev/default-protocol": "tcp"}
    metadata = {"name": "shop", "annotations": annotations}
    mesh.manifests.save("shop", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    await eventually(lambda: sidecar.has_listeners("egress", f"{vip}_8080"))
    assert await ask((vip, 8080), "whatever") == (200, "one")
    assert await sidecar.answers("db:80", 200, "one")

    async def refused() -> bool:  # by the routes, which follow the listener
        return (await ask(sidecar.egress, "db:8080")).status == 503

    await eventually(refused)
    assert await sidecar.rejected() == {}
