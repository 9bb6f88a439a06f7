"""Secrets (SDS): a sidecar's certificate over ADS, renewed without a restart, and for whom it is."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest

from ..authority import Authority, Issued
from .manifests import service
from .mesh import free_port
from .test_tls import Pki

pytestmark = pytest.mark.envoy

TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
TCP = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"


@pytest.fixture
def pki(tmp_path) -> Pki:
    return Pki(tmp_path / "pki")


@pytest.fixture
def file(mesh, tmp_path: Path) -> Path:
    """A secret `web` for the namespace shop."""
    mesh.manifests.save("payments", service("payments"))
    file = tmp_path / "secrets.yaml"
    file.write_text("web: {cert: web.crt, key: web.key, namespaces: [shop]}\n")
    return file


@pytest.fixture
def issued(tmp_path: Path) -> Issued:
    """What the secret is at first."""
    issued = Authority().issue("one.test")
    issued.write(tmp_path, "web")
    return issued


def listener(port: int, secret: str = "web") -> dict[str, Any]:
    """TLS with a certificate that comes by SDS over ADS; what is behind it does not matter."""
    sds = {"name": secret, "sds_config": {"ads": {}, "resource_api_version": "V3"}}
    context = {"@type": TLS, "common_tls_context": {"tls_certificate_sds_secret_configs": [sds]}}
    proxy = {"@type": TCP, "stat_prefix": "own", "cluster": "xds"}
    return {
        "name": "own",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [
            {
                "filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config": proxy}],
                "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context},
            }
        ],
    }


async def test_a_sidecar_has_its_certificate_and_follows_a_renewal(
    mesh, pki, file, issued, tmp_path, eventually
) -> None:
    control_plane = await mesh.serve(*pki.mutual, "--secrets", str(file))
    port = free_port()
    sidecar = mesh.start_sidecar(control_plane.port, tls=pki.client("shop"), listeners=[listener(port)])
    await eventually(lambda: presents(port, issued))

    new = Authority().issue("two.test")
    new.write(tmp_path, "web")
    await eventually(lambda: presents(port, new))
    assert [event["event"] for event in control_plane.events].count("stream opened") == 1
    assert await sidecar.rejected() == {}

    shown = (
        "".join(map(str, control_plane.events))
        + str(await control_plane.ready())
        + await metrics(control_plane)
    )
    secret = new.key.decode().splitlines()[1]
    assert secret not in shown
    assert "PRIVATE KEY" not in shown


async def test_a_sidecar_of_another_namespace_gets_nothing(mesh, pki, file, issued, eventually) -> None:
    control_plane = await mesh.serve(*pki.mutual, "--secrets", str(file))
    port = free_port()
    sidecar = mesh.start_sidecar(
        control_plane.port, tls=pki.client("web"), namespace=None, listeners=[listener(port)]
    )
    await eventually(lambda: asked(control_plane))
    assert await certificate(port) is None

    # To be given it, the stream need not end.
    file.write_text("web: {cert: web.crt, key: web.key, namespaces: [shop, web]}\n")
    await eventually(lambda: presents(port, issued))
    assert await sidecar.rejected() == {}


async def asked(control_plane) -> bool:
    """Whether anybody asked for a secret."""
    return 'pilothouse_requests_total{type="SDS"}' in await metrics(control_plane)


async def metrics(control_plane) -> str:
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(f"http://{control_plane.admin}/metrics")).text


async def presents(port: int, issued: Issued) -> bool:
    return await certificate(port) == ssl.PEM_cert_to_DER_cert(issued.cert.decode())


async def certificate(port: int) -> bytes | None:
    """What a server at a port presents, in DER; None if there is no server or it presents none."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        opening = asyncio.open_connection("127.0.0.1", port, ssl=context)
        _, writer = await asyncio.wait_for(opening, 2)
    except (OSError, TimeoutError):
        return None
    try:
        found: bytes | None = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return found
    finally:
        writer.close()
