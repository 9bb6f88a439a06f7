"""Who gets into the admin port of a running process: over loopback, over a network, and over TLS."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from ..authority import Authority, replace
from .plane import PROGRAM, Plane, service

WRITER, READER = "w" * 32, "r" * 32


def own_address() -> str:
    """An address of this machine that is not loopback; empty without one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


HERE = own_address()
needs_a_network = pytest.mark.skipif(not HERE, reason="this machine has no other address than loopback")


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[Callable[..., Plane]]:
    """Starts a control plane with flags."""
    found: list[Plane] = []

    def begin(*flags: str) -> Plane:
        plane = Plane(tmp_path, *flags)
        found.append(plane)
        plane.write("cart.json", service("cart", "10.1.7.8"))
        plane.start()
        return plane

    yield begin
    for each in found:
        each.stop()


@pytest.fixture
def tokens(tmp_path: Path) -> str:
    return replace(tmp_path / "tokens", f"alice:{WRITER}\ndashboard:{READER}:read\n".encode())


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    found = Authority()
    found.issue("127.0.0.1", *([HERE] if HERE else [])).write(tmp_path, "admin")
    replace(tmp_path / "ca.crt", found.pem)
    return found


def tls(tmp_path: Path) -> list[str]:
    return ["--admin-tls-cert", str(tmp_path / "admin.crt"), "--admin-tls-key", str(tmp_path / "admin.key")]


def trusting(pem: bytes, chain: tuple[str, str] | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=pem.decode())
    if chain:
        context.load_cert_chain(*chain)
    return context


def token(said: str) -> dict[str, str]:
    return {"authorization": f"Bearer {said}"}


def test_a_page_of_another_site_reads_nothing_over_loopback(begun: Callable[..., Plane]) -> None:
    plane = begun()
    with httpx.Client(base_url=f"http://{plane.admin}", trust_env=False) as client:
        assert client.get("/api/v1/services").status_code == 200
        rebound = client.get("/api/v1/services", headers={"host": "evil.example"})
        assert rebound.status_code == 403
        assert "evil.example" in rebound.json()["error"]
        assert client.get("/healthz", headers={"host": "evil.example"}).status_code == 200


@needs_a_network
def test_without_credentials_only_this_machine_is_answered(begun: Callable[..., Plane]) -> None:
    plane = begun("--admin", "0.0.0.0:0")
    port = plane.admin.rpartition(":")[2]
    with httpx.Client(base_url=f"http://{HERE}:{port}", trust_env=False) as afar:
        assert [afar.get(each).status_code for each in ("/healthz", "/readyz", "/metrics")] == [200] * 3
        refused = afar.get("/api/v1/services")
        assert refused.status_code == 403
        assert "--admin-tokens" in refused.json()["error"]
        assert afar.get("/api/v1/services", headers={"host": "127.0.0.1"}).status_code == 403
    forwarded = httpx.get(f"http://127.0.0.1:{port}/api/v1/services", trust_env=False)
    assert forwarded.status_code == 200


@needs_a_network
def test_over_a_network_a_token_or_a_certificate_is_needed(
    begun: Callable[..., Plane], authority: Authority, tokens: str, tmp_path: Path
) -> None:
    plane = begun(
        "--admin",
        "0.0.0.0:0",
        "--admin-tokens",
        tokens,
        "--admin-client-ca",
        str(tmp_path / "ca.crt"),
        *tls(tmp_path),
    )
    port = plane.admin.rpartition(":")[2]
    address = f"https://{HERE}:{port}"
    with httpx.Client(base_url=address, verify=trusting(authority.pem), trust_env=False) as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/api/v1/services").status_code == 401
        assert client.get("/api/v1/services", headers=token("n" * 32)).status_code == 401
        assert client.get("/api/v1/services", headers=token(READER)).status_code == 200
    chain = authority.issue("spiffe://mesh.example/ops/bob").write(tmp_path, "bob")
    with httpx.Client(base_url=address, verify=trusting(authority.pem, chain), trust_env=False) as client:
        assert client.get("/api/v1/services").status_code == 200
    foreign = Authority().issue("spiffe://mesh.example/ops/bob").write(tmp_path, "eve")
    with (
        httpx.Client(base_url=address, verify=trusting(authority.pem, foreign), trust_env=False) as client,
        pytest.raises(httpx.TransportError),
    ):
        client.get("/api/v1/services")


def test_a_health_check_asks_a_port_with_tls(
    begun: Callable[..., Plane], authority: Authority, tmp_path: Path
) -> None:
    plane = begun(*tls(tmp_path))
    said = {
        **os.environ,
        "PILOTHOUSE_ADMIN": plane.admin,
        "PILOTHOUSE_ADMIN_TLS_CERT": str(tmp_path / "admin.crt"),
    }
    done = subprocess.run([PROGRAM, "health"], capture_output=True, text=True, timeout=60, env=said)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        str(tmp_path / "admin.crt")
        in httpx.get(f"https://{plane.admin}/readyz", verify=trusting(authority.pem), trust_env=False).json()[
            "certificates"
        ]["expires_at"]
    )


async def test_new_files_are_in_force_without_a_restart(
    begun: Callable[..., Plane], authority: Authority, tokens: str, tmp_path: Path, eventually
) -> None:
    plane = begun("--admin-tokens", tokens, "--admin-client-ca", str(tmp_path / "ca.crt"), *tls(tmp_path))
    old = authority.issue("spiffe://mesh.example/ops/old").write(tmp_path, "old")
    successor = Authority()

    def answered(context: ssl.SSLContext, **headers: str) -> int:
        """The status; 0 if the handshake fails."""
        try:
            page = f"https://{plane.admin}/api/v1/services"
            return httpx.get(page, verify=context, trust_env=False, headers=headers).status_code
        except httpx.TransportError:
            return 0

    assert answered(trusting(authority.pem, old)) == 200
    assert answered(trusting(authority.pem), **token(READER)) == 200
    successor.issue("127.0.0.1").write(tmp_path, "admin")
    replace(tmp_path / "ca.crt", successor.pem)
    replace(tmp_path / "tokens", f"bob:{WRITER}\n".encode())
    plane.signal(signal.SIGHUP)
    await eventually(lambda: answered(trusting(successor.pem)) == 200)
    assert answered(trusting(authority.pem)) == 0
    assert answered(trusting(successor.pem, old)) == 0, "the CA of the old certificate is gone"
    await eventually(lambda: answered(trusting(successor.pem), **token(READER)) == 401)
    assert WRITER not in plane.log()
    assert WRITER not in plane.command_line()
