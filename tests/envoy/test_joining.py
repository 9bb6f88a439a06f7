"""Which of the ports, the addresses and the objects of a Service count, as requests and listeners show."""

from __future__ import annotations

import random
from typing import Any

import pytest

from ..ports import free_port
from .backends import Backend
from .load import ask, served
from .manifests import Document, endpoint_slice, service
from .mesh import virtual_ip

pytestmark = pytest.mark.envoy

TCP = [{"name": "tcp", "port": 5432}]


def endpoints(name: str, *backends: Backend, **fields: Any) -> Document:
    """A `v1 Endpoints` with a subset for each backend."""
    subsets = [
        {"addresses": [{"ip": one.host}], "ports": [{"name": "http", "port": one.port}]} for one in backends
    ]
    metadata = {"name": name, "namespace": "shop", **fields}
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": subsets}


async def test_a_port_of_udp_is_no_port_of_tcp_whatever_its_name(mesh, eventually) -> None:
    one = await mesh.backend("one")
    declared = service("dns", ports=[{"name": "dns", "port": 8080, "appProtocol": "http"}])
    there, elsewhere = {"name": "dns", "port": one.port}, {"name": "dns", "port": 1, "protocol": "UDP"}
    found = endpoint_slice("dns", one.host, one.port) | {"ports": [elsewhere, there]}
    mesh.manifests.save("dns", declared, found)
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    assert await ask(sidecar.egress, "dns") == (200, "one")
    mesh.manifests.save("dns", declared, found | {"ports": [elsewhere]})
    await eventually(lambda: sidecar.answers("dns", 503, "no healthy upstream"))


class OfIpv6(Backend):
    host = "::1"


@pytest.mark.parametrize(("ready", "called"), [(("::1",), "six"), (("127.0.0.1",), "four")])
async def test_of_two_addresses_of_one_pod_only_the_ready_one_is_called(mesh, ready, called) -> None:
    four, six = await mesh.backend("four"), OfIpv6("six")
    six.port = four.port
    await six.start()
    try:
        pieces = [
            backend.slice(
                "payments",
                targetRef={"kind": "Pod", "name": "payments-0", "uid": "u1"},
                conditions={"ready": backend.host in ready},
            )
            for backend in (four, six)
        ]
        mesh.manifests.save("payments", service("payments"), *pieces)
        sidecar = await mesh.sidecar((await mesh.serve()).port)
        assert await served(sidecar.egress, "payments", 10) == {called: 10}
    finally:
        await six.stop()


async def test_endpoints_of_a_service_without_a_selector_are_called(mesh, eventually) -> None:
    one, two, three = [await mesh.backend(name) for name in ("one", "two", "three")]
    mesh.manifests.save("oven", service("oven"), endpoints("oven", one, two))
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    assert await served(sidecar.egress, "oven", 20) == {"one": 10, "two": 10}
    made = three.slice("oven")
    made["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] = (
        "endpointslicemirroring-controller.k8s.io"
    )
    mesh.manifests.save("oven", service("oven"), endpoints("oven", one, two), made)
    await eventually(lambda: sidecar.answers("oven", 200, "three"))
    assert await served(sidecar.egress, "oven", 10) == {"three": 10}
    mesh.manifests.save("oven", service("oven", selector={"app": "oven"}), endpoints("oven", one, two))
    await eventually(lambda: sidecar.answers("oven", 503, "no healthy upstream"))


async def test_no_service_makes_an_envoy_listen_where_others_do(mesh) -> None:
    one, vip = await mesh.backend("one"), virtual_ip()
    everywhere = ["0.0.0.0", "::", "127.0.0.1", "::1", "169.254.169.254", "224.0.0.1", "::ffff:10.0.0.1"]
    for number, address in enumerate(everywhere):
        mesh.manifests.save(f"taker-{number}", service(f"taker-{number}", clusterIP=address, ports=TCP))
    both = service("web", clusterIP=vip, clusterIPs=[vip, "0.0.0.0"], ports=TCP)
    mesh.manifests.save("web", both, one.slice("web", port_name="tcp"))
    control_plane = await mesh.serve()
    sidecar = await mesh.sidecar(control_plane.port, capture="vip")
    assert await sidecar.listeners() == {"egress", f"{vip}_5432"}
    assert await ask((vip, 5432), "any") == (200, "one")
    assert await sidecar.rejected() == {}
    warned = {event["message"] for event in control_plane.events if "message" in event}
    assert '"0.0.0.0" is the unspecified address; this virtual IP is left out' in warned


async def test_virtual_ips_outside_of_the_service_cidr_have_no_listener(mesh) -> None:
    inside, outside = f"127.99.0.{random.randrange(1, 255)}", virtual_ip().replace("127.99.", "127.98.")
    for name, vip in ("one", inside), ("two", outside):
        backend = await mesh.backend(name)
        mesh.manifests.save(
            name, service(name, clusterIP=vip, ports=TCP), backend.slice(name, port_name="tcp")
        )
    sidecar = await mesh.sidecar((await mesh.serve("--service-cidr", "127.99.0.0/16")).port)
    assert await sidecar.listeners() == {"egress", f"{inside}_5432"}


@pytest.mark.parametrize("protocol", ["tcp", "http"])
@pytest.mark.parametrize("form", ["{}:{}", "[::ffff:{}]:{}"])
async def test_a_virtual_ip_at_the_egress_address_costs_its_own_listener_alone(mesh, protocol, form) -> None:
    one, two, vip, port = await mesh.backend("one"), await mesh.backend("two"), virtual_ip(), free_port()
    other = virtual_ip()
    mesh.manifests.save("web", service("web"), one.slice("web"))
    ports = [{"name": protocol, "port": port}]
    mesh.manifests.save(
        "taker",
        service("taker", clusterIPs=[vip, other], ports=ports),
        two.slice("taker", port_name=protocol),
    )
    sidecar = await mesh.sidecar((await mesh.serve()).port, capture="vip", egress=form.format(vip, port))
    assert await sidecar.listeners() == {"egress", f"{other}_{port}"}
    assert await ask((vip, port), "web") == (200, "one")
    assert await ask((other, port), "any") == (200, "two")
    assert await sidecar.rejected() == {}


async def test_an_egress_listener_at_every_address_does_not_disturb_virtual_ips(mesh) -> None:
    one, two, vip, port = await mesh.backend("one"), await mesh.backend("two"), virtual_ip(), free_port()
    mesh.manifests.save("web", service("web"), one.slice("web"))
    declared = service("db", clusterIP=vip, ports=[{"name": "tcp", "port": port}])
    mesh.manifests.save("db", declared, two.slice("db", port_name="tcp"))
    sidecar = await mesh.sidecar((await mesh.serve()).port, egress=f"0.0.0.0:{port}")
    assert await sidecar.listeners() == {"egress", f"{vip}_{port}"}
    assert await ask((vip, port), "any") == (200, "two")
    assert await ask(("127.0.0.1", port), "web") == (200, "one")
    assert await sidecar.rejected() == {}
