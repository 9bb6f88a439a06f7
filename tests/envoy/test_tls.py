"""TLS between sidecar and control plane, with the bootstrap that `pilothouse bootstrap` makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pilothouse.sidecar.bootstrap import Tls

from ..authority import Authority, replace
from .load import ask
from .manifests import service

pytestmark = pytest.mark.envoy


class Pki:
    """Files: certificates of the control plane at 127.0.0.1 and of sidecars, and the CAs that they trust."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder, self._clients = folder, 0
        self.authority = Authority()
        self.issue(self.authority)

    def issue(self, authority: Authority) -> None:
        """The control plane has its certificate from this one, and trusts it."""
        self.cert, self.key = authority.issue("127.0.0.1").write(self._folder, "server")
        self.ca = replace(self._folder / "ca.crt", authority.pem)

    @property
    def server(self) -> tuple[str, ...]:
        return ("--tls-cert", self.cert, "--tls-key", self.key)

    @property
    def mutual(self) -> tuple[str, ...]:
        return (*self.server, "--client-ca", self.ca)

    def client(self, namespace: str, authority: Authority | None = None, server: Any = None) -> Tls:
        """Of a sidecar in a namespace, whose control plane has to have its certificate from `server`."""
        authority = authority or self.authority
        self._clients += 1
        issued = authority.issue(f"spiffe://mesh.test/ns/{namespace}/sa/web")
        cert, key = issued.write(self._folder, f"client-{self._clients}")
        ca = replace(self._folder / f"client-{self._clients}.ca", (server or authority).pem)
        return Tls(ca, cert, key)


@pytest.fixture
def pki(tmp_path) -> Pki:
    return Pki(tmp_path / "pki")


async def test_a_sidecar_is_served_over_tls(mesh, pki) -> None:
    one = await mesh.backend("one")
    mesh.manifests.save("payments", service("payments"), one.slice("payments"))
    control_plane = await mesh.serve(*pki.server)
    sidecar = await mesh.sidecar(control_plane.port, tls=Tls(pki.ca))
    assert await ask(sidecar.egress, "payments") == (200, "one")
    assert events(
        control_plane, "sidecars name their namespace themselves: export-to is no security boundary"
    )


async def test_a_control_plane_with_another_name_is_refused(mesh, pki, eventually) -> None:
    one = await mesh.backend("one")
    mesh.manifests.save("payments", service("payments"), one.slice("payments"))
    control_plane = await mesh.serve(*pki.server)
    sidecar = mesh.start_sidecar(control_plane.port, tls=Tls(pki.ca, san="spiffe://mesh/cp"))
    await eventually(lambda: has_stat(sidecar, "cluster.xds.ssl.fail_verify_san"))
    assert not await sidecar.connected()


async def test_mutual_tls_needs_a_certificate_of_the_sidecar(mesh, pki, eventually) -> None:
    one = await mesh.backend("one")
    mesh.manifests.save("payments", service("payments"), one.slice("payments"))
    control_plane = await mesh.serve(*pki.mutual)
    sidecar = await mesh.sidecar(control_plane.port, tls=pki.client("shop"))
    assert await ask(sidecar.egress, "payments") == (200, "one")
    await refused(mesh.start_sidecar(control_plane.port, tls=Tls(pki.ca)), eventually)


async def test_a_sidecar_is_in_the_namespace_of_its_certificate_whatever_it_says(
    mesh, pki, eventually
) -> None:
    one = await mesh.backend("one")
    private = service("ledger")
    private["metadata"]["annotations"] = {"pilothouse.dev/export-to": "."}
    mesh.manifests.save("ledger", private, one.slice("ledger"))
    control_plane = await mesh.serve(*pki.mutual)
    assert events(control_plane, "certificates name the namespace of sidecars")
    owner = await mesh.sidecar(control_plane.port, tls=pki.client("shop"))
    assert await ask(owner.egress, "ledger.shop") == (200, "one")

    guest = await mesh.sidecar(control_plane.port, tls=pki.client("web"), namespace=None)
    assert (await ask(guest.egress, "ledger.shop")).status == 503

    liar = mesh.start_sidecar(control_plane.port, tls=pki.client("web"))
    text = "the node says it is in the namespace shop, its certificate is of web"
    await eventually(lambda: [event for event in control_plane.events if event.get("reason") == text])
    assert await liar.clusters() == {}


async def test_certificates_are_renewed_under_a_connected_sidecar(mesh, pki, eventually) -> None:
    one, two = await mesh.backend("one"), await mesh.backend("two")
    mesh.manifests.save("payments", service("payments"), one.slice("payments"))
    control_plane = await mesh.serve(*pki.mutual)
    early = await mesh.sidecar(control_plane.port, tls=pki.client("shop"))

    old, new = pki.authority, Authority()
    pki.issue(new)
    await eventually(lambda: events(control_plane, "certificates read again"))
    late = await mesh.sidecar(control_plane.port, tls=pki.client("shop", new))
    await refused(mesh.start_sidecar(control_plane.port, tls=pki.client("shop", old, server=new)), eventually)

    mesh.manifests.save("payments", service("payments"), two.slice("payments"))
    for sidecar in (early, late):
        await eventually(lambda sidecar=sidecar: sidecar.answers("payments", 200, "two"))
    assert (await early.stats("cluster.xds"))["cluster.xds.upstream_cx_total"] == 1
    assert len(events(control_plane, "stream opened")) == 2


async def test_certificates_that_do_not_fit_are_shown_and_what_was_there_before_serves(
    mesh, pki, eventually
) -> None:
    one = await mesh.backend("one")
    mesh.manifests.save("payments", service("payments"), one.slice("payments"))
    control_plane = await mesh.serve(*pki.mutual)
    replace(Path(pki.cert), Authority().issue("127.0.0.1", days=0.1).cert)
    stays = f"{pki.key} is not the key of {pki.cert}: they do not match; keeping what was read before"
    await eventually(lambda: warned(control_plane, stays))
    await mesh.sidecar(control_plane.port, tls=pki.client("shop"))

    pki.authority.issue("127.0.0.1", days=0.1).write(Path(pki.cert).parent, "server")
    await eventually(lambda: warned(control_plane, f"{pki.cert} expires soon"))
    assert not await warned(control_plane, stays)
    assert (await control_plane.ready())["certificates"]["stale"] is False


async def refused(sidecar, eventually) -> None:
    # In TLS 1.3 a client believes itself connected until the server has looked at its certificate.
    await eventually(lambda: has_stat(sidecar, "cluster.xds.upstream_cx_destroy"))
    assert not await has_stat(sidecar, "cluster_manager.cds.update_success")
    assert await sidecar.clusters() == {}


async def warned(control_plane, start: str) -> bool:
    """Whether there is such a warning."""
    return any(warning.startswith(start) for warning in (await control_plane.ready())["warnings"])


def events(control_plane, name: str) -> list[dict[str, Any]]:
    return [event for event in control_plane.events if event["event"] == name]


async def has_stat(sidecar, name: str) -> bool:
    """Whether a counter is there and not zero."""
    return bool(await sidecar.state() and (await sidecar.stats(name)).get(name))
