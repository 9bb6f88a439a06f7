"""An application calls a TCP service without an address of its own at the one that DNS says it was given."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..envoy.manifests import endpoint_slice, service
from .mesh import DOMAIN, Mesh, mesh
from .namespaces import lacking, wait_for

pytestmark = [pytest.mark.envoy, pytest.mark.xdist_group("redirect")]

DNS = ("10.1.0.1", 5353)
RANGES = "240.240.0.0/16,2001:2::/48"
TCP = [{"name": "tcp", "port": 9999}]


@pytest.fixture(scope="module", params=["delta", "sotw"])
def pod(request: pytest.FixtureRequest) -> Iterator[Mesh]:
    if why := lacking():
        pytest.skip(why)
    beside = Path(sys.executable).with_name("envoy")
    envoy = os.environ.get("ENVOY_BIN") or (beside if beside.exists() else shutil.which("envoy"))
    assert envoy, "no envoy: install the extra `demo`, or set ENVOY_BIN"
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        flags = "--virtual-ips", RANGES, "--dns", ":".join(map(str, DNS)), "--state", str(folder / "state")
        with mesh(folder, Path(envoy), request.param == "delta", *flags) as found:
            vm = endpoint_slice("vm", "10.2.0.9", 9999, port_name="tcp")
            found.manifests.save("vm", service("vm", ports=TCP), vm)
            outside = service("outside", type="ExternalName", externalName="pilot.example", ports=TCP)
            found.manifests.save("outside", outside)
            sidecar = found.start_sidecar("--family", "ipv4", "--family", "ipv6")
            yield found
            assert found.refused() == {}
            found.stop_sidecar(sidecar)


_ASK = """
import sys, dns.message, dns.query
host, port, *question = sys.argv[1:]
answer = dns.query.udp(dns.message.make_query(*question), host, port=int(port), timeout=5)
print(*(rdata for rrset in answer.answer for rdata in rrset))
"""


def address(pod: Mesh, name: str, kind: str) -> str:
    """What DNS says in the pod."""
    host, port = DNS
    return pod.pod.must(sys.executable, "-c", _ASK, host, str(port), f"{name}.shop.{DOMAIN}", kind).strip()


@pytest.mark.parametrize(("kind", "network"), [("A", "240.240.0."), ("AAAA", "2001:2::")])
def test_vip_for_tcp_the_address_of_dns_leads_to_the_service(pod: Mesh, kind: str, network: str) -> None:
    wait_for(lambda: address(pod, "vm", kind))
    vip = address(pod, "vm", kind)
    assert vip.startswith(network)
    wait_for(lambda: f"{vip}_9999" in pod.listeners())
    assert pod.pod.hears("tcp", vip, 9999) == "elsewhere"


def test_a_name_that_leads_out_of_the_mesh_has_a_listener_at_its_own_address(pod: Mesh) -> None:
    wait_for(lambda: address(pod, "outside", "A"))
    own = {address(pod, "outside", kind) for kind in ("A", "AAAA")}
    wait_for(lambda: {f"{vip}_9999" for vip in own} <= pod.listeners())
    assert not own & {address(pod, "vm", kind) for kind in ("A", "AAAA")}
