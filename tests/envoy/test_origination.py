"""Services that sidecars speak TLS to, and their applications plain text."""

from __future__ import annotations

import asyncio
import ssl

import pytest
import trustme

from .load import ask, served
from .manifests import service
from .mesh import virtual_ip
from .test_external_names import NAME, Mirror
from .test_protocols import WebSocket

pytestmark = pytest.mark.envoy

CA = trustme.CA()
HTTPS = [{"name": "https", "port": 443}]
FULL = "payments.shop.svc.cluster.local"
STATS = "cluster.payments.shop.443"


@pytest.fixture
def ca(tmp_path):
    CA.cert_pem.write_to_path(tmp_path / "ca.pem")
    return str(tmp_path / "ca.pem")


def identity(name: str, *alpn: str) -> ssl.SSLContext:
    """A server of that name, which speaks these protocols; without any it does not know ALPN."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert(name).configure_cert(context)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def originating(name: str, says: str, **spec):
    """A Service whose port is `https`, or as `spec` has it."""
    found = service(name, **{"ports": HTTPS, **spec})
    found["metadata"]["annotations"] = {"pilothouse.dev/originate-tls": says}
    return found


async def test_each_endpoint_is_spoken_to_in_the_version_that_it_agrees_to(mesh, ca) -> None:
    versions = {"new": ["h2"], "both": ["h2", "http/1.1"], "old": ["http/1.1"], "older": []}
    backends = [await mesh.backend(name, identity(FULL, *alpn)) for name, alpn in versions.items()]
    slices = [backend.slice("payments", port_name="https") for backend in backends]
    mesh.manifests.save("payments", originating("payments", f"ca={ca}"), *slices)
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    for host in ("payments", "payments.shop:443"):
        assert await served(sidecar.egress, host, 8) == dict.fromkeys(versions, 2)
    stats = await sidecar.stats(STATS)
    assert stats[f"{STATS}.upstream_cx_http1_total"] == stats[f"{STATS}.upstream_cx_http2_total"] == 2
    assert await sidecar.listeners() == {"egress"}
    assert await sidecar.rejected() == {}


async def test_nothing_is_sent_to_who_has_a_certificate_of_another_name(mesh, ca, eventually) -> None:
    stranger = await mesh.backend("stranger", identity("else.shop.svc.cluster.local"))
    named = await mesh.backend("named", identity("api.example.com"))
    slices = [backend.slice("payments", port_name="https") for backend in (stranger, named)]
    mesh.manifests.save("payments", originating("payments", f"ca={ca}"), *slices)
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    assert (await ask(sidecar.egress, "payments")).status == 503
    assert (await sidecar.stats(STATS))[f"{STATS}.ssl.fail_verify_san"]
    # Who is trusted is called in the place of who is not.
    says = f"ca={ca}, server-name=API.example.com"
    mesh.manifests.save("payments", originating("payments", says), *slices)
    await eventually(lambda: sidecar.answers("payments", 200, "named"))
    assert await served(sidecar.egress, "payments", 8) == {"named": 8}


async def test_a_file_that_is_not_there_takes_nothing_else_away_and_is_mended(mesh, ca, eventually) -> None:
    one, plain = await mesh.backend("one", identity(FULL)), await mesh.backend("plain")
    mesh.manifests.save("web", service("web"), plain.slice("web"))
    found = one.slice("payments", port_name="https")
    mesh.manifests.save("payments", originating("payments", "ca=/nowhere.pem"), found)
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    await eventually(lambda: sidecar.answers("web", 200, "plain"))
    assert (await ask(sidecar.egress, "payments")).status == 503
    assert await sidecar.rejected()
    mesh.manifests.save("payments", originating("payments", f"ca={ca}"), found)
    await eventually(lambda: sidecar.answers("payments", 200, "one"))
    assert await ask(sidecar.egress, "web") == (200, "plain")


async def test_connections_to_a_virtual_ip_go_on_in_tls(mesh, ca) -> None:
    ports, vips = [{"name": "tls", "port": 5432}], {"db": virtual_ip(), "lost": virtual_ip()}
    for name, vip in vips.items():
        backend = await mesh.backend(name, identity("db.shop.svc.cluster.local"))
        made = originating(name, f"ca={ca}", clusterIP=vip, ports=ports)
        mesh.manifests.save(name, made, backend.slice(name, port_name="tls"))
    await mesh.sidecar((await mesh.serve()).port)
    assert await ask((vips["db"], 5432), "any") == (200, "db")
    with pytest.raises((EOFError, ConnectionError)):
        await ask((vips["lost"], 5432), "any")


async def test_requests_to_a_virtual_ip_go_on_in_tls(mesh, ca) -> None:
    one, vip = await mesh.backend("one", identity(FULL, "h2")), virtual_ip()
    made = originating("payments", f"ca={ca}", clusterIP=vip, ports=[{"name": "https", "port": 8443}])
    mesh.manifests.save("payments", made, one.slice("payments", port_name="https"))
    await mesh.sidecar((await mesh.serve()).port, capture="vip")
    assert await ask((vip, 8443), "whatever") == (200, "one")


async def test_a_websocket_is_spoken_in_the_version_that_has_it(mesh, ca) -> None:
    tls = identity("chat.shop.svc.cluster.local", "h2", "http/1.1")
    backend = await mesh.backend("chat", tls, WebSocket)
    ports = [{"name": "chat", "port": 443, "appProtocol": "kubernetes.io/wss"}]
    made = originating("chat", f"ca={ca}", ports=ports)
    mesh.manifests.save("chat", made, backend.slice("chat", port_name="chat"))
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    reader, writer = await asyncio.open_connection(*sidecar.egress)
    writer.write(b"GET / HTTP/1.1\r\nhost: chat\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    writer.close()


async def test_a_name_outside_of_the_mesh_is_whom_its_certificate_has_to_be_of(
    mesh, names, ca, eventually
) -> None:
    names.addresses[NAME] = ["127.0.0.1"]
    mirror = await mesh.backend("", identity(NAME), Mirror)
    ports = [{"name": "https", "port": mirror.port}]
    made = originating("partner", f"ca={ca}", type="ExternalName", externalName=NAME, ports=ports)
    made["metadata"]["annotations"]["pilothouse.dev/health-check"] = "http, interval=100ms, healthy=1"
    mesh.manifests.save("partner", made)
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    await eventually(lambda: sidecar.answers("partner", 200, NAME))
    checks = f"cluster.partner.shop.{mirror.port}.health_check.success"
    await eventually(lambda: has_stat(sidecar, checks))


async def has_stat(sidecar, name: str) -> bool:
    """Whether a counter is there and not zero."""
    return bool((await sidecar.stats(name)).get(name))
