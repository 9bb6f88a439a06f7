"""TLS between sidecar and control plane, with the bootstrap that `pilothouse bootstrap` makes."""

from __future__ import annotations

import pytest
import trustme

from pilothouse.cli.bootstrap import Tls

from .load import ask
from .manifests import service

pytestmark = pytest.mark.envoy


@pytest.fixture
def pki(tmp_path):
    """Files: a CA, certificate and key of the control plane at 127.0.0.1, and of a sidecar."""
    folder, ca = tmp_path / "pki", trustme.CA()
    folder.mkdir()
    ca.cert_pem.write_to_path(folder / "ca.crt")
    for name, identity in (("server", "127.0.0.1"), ("client", "web-1.test")):
        issued = ca.issue_cert(identity)
        issued.cert_chain_pems[0].write_to_path(folder / f"{name}.crt")
        issued.private_key_pem.write_to_path(folder / f"{name}.key")
    return {path.name: str(path) for path in folder.iterdir()}


async def test_a_sidecar_is_served_over_tls(mesh, pki) -> None:
    one = await mesh.backend("one")
    mesh.manifests.save("payments", service("payments"), one.slice("payments"))
    control_plane = await mesh.serve("--tls-cert", pki["server.crt"], "--tls-key", pki["server.key"])
    sidecar = await mesh.sidecar(control_plane.port, tls=Tls(pki["ca.crt"]))
    assert await ask(sidecar.egress, "payments") == (200, "one")


async def test_a_control_plane_with_another_name_is_refused(mesh, pki, eventually) -> None:
    control_plane = await mesh.serve("--tls-cert", pki["server.crt"], "--tls-key", pki["server.key"])
    sidecar = mesh.start_sidecar(control_plane.port, tls=Tls(pki["ca.crt"], san="spiffe://mesh/cp"))
    await eventually(lambda: has_stat(sidecar, "cluster.xds.ssl.fail_verify_san"))
    assert not await sidecar.connected()


async def test_mutual_tls_needs_a_certificate_of_the_sidecar(mesh, pki, eventually) -> None:
    one = await mesh.backend("one")
    mesh.manifests.save("payments", service("payments"), one.slice("payments"))
    server = ("--tls-cert", pki["server.crt"], "--tls-key", pki["server.key"], "--client-ca", pki["ca.crt"])
    control_plane = await mesh.serve(*server)
    known = Tls(pki["ca.crt"], pki["client.crt"], pki["client.key"])
    sidecar = await mesh.sidecar(control_plane.port, tls=known)
    assert await ask(sidecar.egress, "payments") == (200, "one")

    stranger = mesh.start_sidecar(control_plane.port, tls=Tls(pki["ca.crt"]))
    # In TLS 1.3 a client believes itself connected until the server has looked at its certificate.
    await eventually(lambda: has_stat(stranger, "cluster.xds.upstream_cx_destroy"))
    assert not await has_stat(stranger, "cluster_manager.cds.update_success")
    assert await stranger.clusters() == {}


async def has_stat(sidecar, name: str) -> bool:
    """Whether a counter is there and not zero."""
    return bool(await sidecar.state() and (await sidecar.stats(name)).get(name))
