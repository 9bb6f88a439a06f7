"""Domains that a sidecar depends on: plain HTTP from the application, TLS from there on."""

from __future__ import annotations

import ssl

import pytest
import trustme

from .load import ask
from .manifests import service
from .test_external_names import Mirror

pytestmark = pytest.mark.envoy

CA = trustme.CA()
HOSTS = ("api.example.com", "a.wild.example", "other.example")


@pytest.fixture
async def mirrors():
    """One that is whom it is called, one by a wildcard, and one that is somebody else; by host."""
    found = {}
    for host, name in zip(HOSTS, ("api.example.com", "*.wild.example", "else.example"), strict=True):
        found[host] = mirror = Mirror("")
        mirror.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        CA.issue_cert(name).configure_cert(mirror.tls)
        mirror.tls.sni_callback = lambda _, called, __, mirror=mirror: setattr(mirror, "called", called)
        await mirror.start()
    yield found
    for mirror in found.values():
        await mirror.stop()


@pytest.fixture
def ca(tmp_path):
    CA.cert_pem.write_to_path(tmp_path / "ca.pem")
    return str(tmp_path / "ca.pem")


async def test_tls_is_spoken_to_a_domain_that_is_whom_it_is_called(
    mesh, names, mirrors, ca, eventually
) -> None:
    names.addresses |= {host: ["127.0.0.1"] for host in HOSTS}
    one = await mesh.backend("one")
    mesh.manifests.save("payments", service("payments"), one.slice("payments"))
    declared = [{"domain": f"https://{host}:{mirror.port}", "ca": ca} for host, mirror in mirrors.items()]
    sidecar = await mesh.sidecar((await mesh.serve()).port, dependencies=["shop/payments", *declared])
    for host in HOSTS[:2]:
        await eventually(lambda host=host: sidecar.answers(host, 200, host))
        assert mirrors[host].called == host
        with_port = f"{host}:{mirrors[host].port}"
        assert await ask(sidecar.egress, with_port) == (200, with_port)
    await eventually(lambda: is_unverified(sidecar))
    assert (await ask(sidecar.egress, HOSTS[2])).status == 503
    assert await ask(sidecar.egress, "payments") == (200, "one")


async def is_unverified(sidecar) -> bool:
    """Whether a certificate was refused for the names in it."""
    await ask(sidecar.egress, HOSTS[2])
    stats = await sidecar.stats("cluster.other_example")
    return any(n for name, n in stats.items() if name.endswith("ssl.fail_verify_san"))
