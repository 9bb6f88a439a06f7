"""Names over DNS from a running control plane: never before they are known, and never other than EDS."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dns.exception
import dns.message
import dns.query
import dns.rcode
import httpx
import pytest

from ..conftest import Eventually
from ..ports import free_port
from .plane import PROGRAM, Plane, service

NAME = "cart.shop.svc.cluster.local."


def headless(name: str, *addresses: str, **more: Any) -> str:
    return service(name, *addresses, **more).replace('"spec": {', '"spec": {"clusterIP": "None", ')


def ask(port: int, name: str = NAME, type: str = "A") -> dns.message.Message:
    return dns.query.udp(dns.message.make_query(name, type), "127.0.0.1", port=port, timeout=10)


def addresses(port: int, name: str = NAME) -> set[str]:
    return {rdata.to_text() for rrset in ask(port, name).answer for rdata in rrset}


def code(port: int, name: str = NAME) -> str:
    try:
        return dns.rcode.to_text(ask(port, name).rcode())
    except (dns.exception.Timeout, OSError):
        return ""  # it does not listen yet


def _name_of(port: int, name: str) -> list[str]:
    return [rdata.to_text() for rrset in ask(port, name, "PTR").answer for rdata in rrset]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def plane(tmp_path: Path, port: int) -> Iterator[Plane]:
    """A control plane that is not started, and answers names once it is."""
    found = Plane(tmp_path, "--dns", f"127.0.0.1:{port}", allow_empty=False)
    try:
        yield found
    finally:
        found.stop()


async def test_before_anything_is_loaded_no_name_is_absent(
    plane: Plane, port: int, eventually: Eventually
) -> None:
    with ThreadPoolExecutor(1) as beside:
        starting = beside.submit(plane.start)  # which waits until there is a manifest
        await eventually(lambda: code(port) == "SERVFAIL")
        plane.write("cart.json", headless("cart", "10.1.7.8"))
        await eventually(lambda: addresses(port) == {"10.1.7.8"})
        starting.result()
    await eventually(lambda: code(port, "gone.shop.svc.cluster.local.") == "NXDOMAIN")


async def test_an_answer_follows_every_change(plane: Plane, port: int, eventually: Eventually) -> None:
    plane.write("cart.json", headless("cart", "10.1.7.8", "10.1.7.9"))
    plane.start()
    assert addresses(port) == {"10.1.7.8", "10.1.7.9"}
    plane.write("cart.json", headless("cart", "10.1.7.8", "10.1.7.9", not_ready=("10.1.7.8",)))
    await eventually(lambda: addresses(port) == {"10.1.7.9"})
    plane.write("cart.json", headless("cart", "10.1.7.10", "10.1.7.9"))
    await eventually(lambda: addresses(port) == {"10.1.7.9", "10.1.7.10"})
    await eventually(lambda: _name_of(port, "10.7.1.10.in-addr.arpa.") == [f"10-1-7-10.{NAME}"])


def test_what_was_asked_is_counted(plane: Plane, port: int) -> None:
    plane.write("cart.json", headless("cart", "10.1.7.8"))
    plane.start()
    for _ in range(3):
        ask(port)
    ask(port, "gone.shop.svc.cluster.local.", "AAAA")
    metrics = httpx.get(f"http://{plane.admin}/metrics", trust_env=False).text
    assert 'pilothouse_dns_answers_total{rcode="NOERROR",type="A"} 3.0' in metrics
    assert 'pilothouse_dns_answers_total{rcode="NXDOMAIN",type="AAAA"} 1.0' in metrics


def test_a_port_that_is_taken_ends_the_start_with_one_line(tmp_path: Path, port: int) -> None:
    manifests = tmp_path / "cart.json"
    manifests.write_text(headless("cart", "10.1.7.8"))
    first = Plane(tmp_path, "--dns", f"127.0.0.1:{port}")
    try:
        first.start()
        command: list[str | Path] = [PROGRAM, "serve", "--manifests", manifests, "--no-state"]
        command += ["--dns", f"127.0.0.1:{port}"]
        listen = ["--xds", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log-format", "json"]
        done = subprocess.run([*command, *listen], capture_output=True, text=True, timeout=60)
    finally:
        first.stop()
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert f"--dns 127.0.0.1:{port}: Address already in use" in done.stderr.splitlines()[-1]


def test_workers_share_the_port(tmp_path: Path, port: int) -> None:
    plane = Plane(tmp_path, "--dns", f"127.0.0.1:{port}", "--workers", "2")
    plane.write("cart.json", headless("cart", "10.1.7.8"))
    try:
        plane.start()
        assert all(addresses(port) <= {"10.1.7.8"} for _ in range(20))
    finally:
        plane.stop()
