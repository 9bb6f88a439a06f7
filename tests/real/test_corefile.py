"""An estate that keeps CoreDNS: it forwards a zone, with the Corefile of the how-to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
import pytest

from ..operator.plane import service
from ..ports import free_port
from .plane import Plane
from .process import Process, wait_until

_HOW_TO = Path(__file__).parents[2] / "docs/how-to/dns.md"
_COREFILE = re.compile(r"```text\n(mesh\.example:53 \{.*?\n\})\n```", re.DOTALL)
_OF_THE_DOCS = "10.0.0.7:15353"


def ask(port: int, name: str, type: str = "A") -> dns.message.Message:
    query = dns.message.make_query(name, type, use_edns=0, payload=1232)
    found, _ = dns.query.udp_with_fallback(query, "127.0.0.1", port=port, timeout=10)
    return found


def _texts(found: dns.message.Message) -> set[str]:
    return {rdata.to_text() for rrset in found.answer for rdata in rrset}


@pytest.fixture
def forwarding(coredns: Path, tmp_path: Path) -> Iterator[int]:
    """The port of a CoreDNS that forwards `mesh.example` to Pilothouse."""
    theirs, ours = free_port(), free_port()
    said = _COREFILE.search(_HOW_TO.read_text())
    assert said is not None
    corefile = tmp_path / "Corefile"
    here = said[1].replace("mesh.example:53", f"mesh.example:{theirs}")
    assert _OF_THE_DOCS in here
    corefile.write_text(here.replace(_OF_THE_DOCS, f"127.0.0.1:{ours}"))
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    wide = [f"10.2.0.{each}" for each in range(1, 201)]
    for name, addresses in (("cart", ["10.1.7.9", "10.1.7.10"]), ("wide", wide)):
        text = service(name, *addresses).replace('"spec": {', '"spec": {"clusterIP": "None", ')
        (manifests / f"{name}.json").write_text(text)
    flags = ["--manifests", str(manifests), "--cluster-domain", "mesh.example"]
    plane = Plane(tmp_path, [*flags, "--dns", f"127.0.0.1:{ours}"])
    process = Process("coredns", [coredns, "-conf", corefile], tmp_path)
    try:
        plane.start()
        process.start()
        wait_until(lambda: _answers(theirs), "CoreDNS answers")
        yield theirs
    finally:
        process.stop()
        plane.process.stop()


def _answers(port: int) -> bool:
    try:
        return bool(ask(port, "cart.shop.svc.mesh.example.").answer)
    except (dns.exception.DNSException, OSError):
        return False


def test_coredns_forwards_a_zone(forwarding: int) -> None:
    zone = "shop.svc.mesh.example."
    assert _texts(ask(forwarding, f"cart.{zone}")) == {"10.1.7.9", "10.1.7.10"}
    assert _texts(ask(forwarding, f"10-1-7-9.cart.{zone}")) == {"10.1.7.9"}
    assert len(ask(forwarding, f"_http._tcp.cart.{zone}", "SRV").answer[0]) == 2
    assert ask(forwarding, f"gone.{zone}").rcode() == dns.rcode.NXDOMAIN
    assert len(_texts(ask(forwarding, f"wide.{zone}"))) == 200  # over TCP, as it has to be


def test_names_of_other_zones_are_not_forwarded(forwarding: int) -> None:
    assert ask(forwarding, "cart.shop.svc.cluster.local.").rcode() == dns.rcode.REFUSED
