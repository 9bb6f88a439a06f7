"""Names that a real Envoy asks our own name server for: one control plane's services are another's hosts."""

from __future__ import annotations

import pytest

from pilothouse.dns.names import Names
from pilothouse.dns.responder import Responder
from pilothouse.dns.serving import Port, serving
from pilothouse.dns.zone import Zone
from pilothouse.mesh.visibility import Scope
from pilothouse.model.services import Endpoint, Service, ServiceName, ServiceSpec
from pilothouse.model.services import Port as ServicePort
from pilothouse.structures.hostport import HostPort

from ..dns.conftest import Estate
from .load import Answer
from .manifests import service
from .test_external_names import Mirror, answers, is_refused

pytestmark = pytest.mark.envoy

NAME = "cart.shop.svc.other.example"


def cart(*addresses: str) -> Service:
    spec = ServiceSpec(
        ServiceName("shop", "cart"),
        (ServicePort("http", 80),),
        headless=True,
        cluster_domain="other.example",
    )
    return Service(spec, tuple(Endpoint(each, (("http", 80),)) for each in addresses))


async def test_an_envoy_finds_and_follows_an_endpoint_by_its_name(mesh, eventually):
    mirror = Mirror("")
    await mirror.start()
    estate = Estate()
    estate.put(cart("127.0.0.1"))
    names = Names([Zone.of_cluster("other.example", estate)], estate, Scope())
    async with serving(Port(Responder(names)), HostPort("127.0.0.1", 0)) as port:
        mesh.resolve_by(port)
        ports = [{"name": "http", "port": mirror.port}]
        mesh.manifests.save(
            "partner", service("partner", type="ExternalName", externalName=NAME, ports=ports)
        )
        sidecar = await mesh.sidecar((await mesh.serve()).port)
        await eventually(lambda: answers(sidecar, "partner", Answer(200, NAME)))
        estate.put(cart("127.0.0.9"))
        await eventually(lambda: is_refused(sidecar, "partner"), within=30)
    await mirror.stop()
