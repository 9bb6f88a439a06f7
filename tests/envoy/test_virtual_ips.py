"""Services by virtual IP: TCP ones always, every one where the sidecar captures virtual IPs.

The virtual IPs are loopback addresses, which can be bound as they are: elsewhere it takes a route.
"""

from __future__ import annotations

from collections import Counter

import pytest

from .load import ask
from .manifests import service
from .mesh import virtual_ip

pytestmark = pytest.mark.envoy

TCP = [{"name": "tcp", "port": 5432}]


async def test_a_tcp_service_has_a_listener_that_balances_connections_by_weight(mesh, eventually) -> None:
    one, two, vip = await mesh.backend("one"), await mesh.backend("two"), virtual_ip()
    slices = one.slice("db", port_name="tcp", weight=1), two.slice("db", port_name="tcp", weight=3)
    mesh.manifests.save("db", service("db", clusterIP=vip, ports=TCP), *slices)
    mesh.manifests.save("web", service("web", clusterIP=virtual_ip()), one.slice("web"))
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    assert await sidecar.listeners() == {"egress", f"{vip}_5432"}
    shares = Counter([(await ask((vip, 5432), "any")).body for _ in range(40)])
    assert shares == pytest.approx({"one": 10, "two": 30}, abs=1)
    assert (await ask(sidecar.egress, "db")).status == 503

    mesh.manifests.delete("db")
    await eventually(lambda: sidecar.has_listeners("egress"))
    with pytest.raises(ConnectionRefusedError):
        await ask((vip, 5432), "any")
    assert await sidecar.rejected() == {}


async def test_a_sidecar_that_captures_has_a_listener_for_every_virtual_ip(mesh, eventually) -> None:
    one, two, vips = await mesh.backend("one"), await mesh.backend("two"), (virtual_ip(), virtual_ip())
    mesh.manifests.save("web", service("web", clusterIP=vips[0]), one.slice("web"))
    sidecar = await mesh.sidecar((await mesh.serve()).port, capture="vip")
    assert await sidecar.listeners() == {"egress", f"{vips[0]}_8080"}
    assert await ask((vips[0], 8080), "whatever") == (200, "one")

    slices = two.slice("db", port_name="tcp")
    mesh.manifests.save("db", service("db", clusterIP=vips[1], ports=TCP), slices)
    await eventually(lambda: sidecar.has_listeners("egress", f"{vips[0]}_8080", f"{vips[1]}_5432"))
    assert await ask((vips[1], 5432), "whatever") == (200, "two")
    assert await ask(sidecar.egress, "web") == (200, "one")
    assert await sidecar.rejected() == {}
