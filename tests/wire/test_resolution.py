"""A service that is resolved in another way from one moment to the next (ClusterIP, ExternalName, FQDN)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pilothouse._pb.envoy.extensions.transport_sockets.tls.v3.tls_pb2 import UpstreamTlsContext

from .plane import ControlPlane
from .scene import dialled
from .sidecar import Sidecar
from .stream import Stream, node
from .topics import CDS, EDS, RDS

NAME = "outbound|80||payments.shop.svc.cluster.local"
SLICE = {
    "apiVersion": "discovery.k8s.io/v1",
    "kind": "EndpointSlice",
    "metadata": {
        "name": "payments-1",
        "namespace": "shop",
        "labels": {"kubernetes.io/service-name": "payments"},
    },
    "addressType": "IPv4",
    "ports": [{"name": "http", "port": 8080}],
    "endpoints": [{"addresses": ["10.1.0.1"]}],
}
HOSTS = {**SLICE, "addressType": "FQDN", "endpoints": [{"addresses": ["one.example.com"]}]}


def service(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "payments", "namespace": "shop"},
        "spec": {"ports": [{"name": "http", "port": 80}], **spec},
    }


INSIDE, OUTSIDE = (
    service(clusterIP="10.96.0.1"),
    service(type="ExternalName", externalName="api.example.com"),
)


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[ControlPlane]:
    found = ControlPlane(tmp_path)
    save(found, INSIDE, SLICE)
    found.start()
    yield found
    found.kill()


def save(plane: ControlPlane, *documents: dict[str, Any]) -> None:
    (plane.manifests / "new").write_text(yaml.safe_dump_all(documents))
    (plane.manifests / "new").rename(plane.manifests / "payments.yaml")


@pytest.mark.parametrize("variant", ["sotw", "delta"])
async def test_a_cluster_of_another_kind_takes_the_place_of_the_first_and_back(
    plane: ControlPlane, variant: str
) -> None:
    async with dialled(plane) as channel:
        sidecar = Sidecar(node(namespace="shop")).connect(Stream(channel, variant, None))
        await sidecar.until(lambda: bool(sidecar.has[RDS]))
        for there in ([OUTSIDE, SLICE], [INSIDE, SLICE], [INSIDE, HOSTS], [OUTSIDE], [INSIDE, SLICE]):
            sidecar.heard.clear()
            save(plane, *there)
            by_address = there == [INSIDE, SLICE]
            await sidecar.until(lambda by_address=by_address: is_resolved(sidecar, by_address))
            if by_address:  # Envoy does not look for endpoints that it had before
                types = [label for label, *_ in sidecar.heard]
                assert types.index("CDS") < len(types) - 1 - types[::-1].index("EDS"), sidecar.heard
        await sidecar.close()


def is_resolved(sidecar: Sidecar, by_address: bool) -> bool:
    """Whether the cluster has its endpoints from a load assignment, or resolves names itself."""
    cluster, assignment = sidecar.has[CDS][NAME], sidecar.has[EDS].get(NAME)
    if bool(cluster.cluster_type.name) == by_address or NAME in sidecar.warming:
        return False
    return not by_address or bool(assignment and assignment.endpoints)


@pytest.mark.parametrize("variant", ["sotw", "delta"])
async def test_a_domain_is_for_the_sidecar_that_depends_on_it(plane: ControlPlane, variant: str) -> None:
    said: Any = {
        "namespace": "shop",
        "dependencies": ["shop/payments", {"domain": "https://api.example.com"}],
    }
    name = "outbound|443||api.example.com"
    async with dialled(plane) as channel:
        one = Sidecar(node(**said)).connect(Stream(channel, variant, None))
        other = Sidecar(node(namespace="shop")).connect(Stream(channel, variant, None))
        await one.until(lambda: bool(one.has[RDS]))
        await other.until(lambda: bool(other.has[RDS]))
        assert one.has[CDS].keys() == {NAME, name}
        assert other.has[CDS].keys() == {NAME}
        context = UpstreamTlsContext()
        assert one.has[CDS][name].transport_socket.typed_config.Unpack(context)
        assert context.sni == "api.example.com"
        leads_to = {
            domain: host.routes[0].route.cluster
            for host in one.has[RDS]["egress"].virtual_hosts
            for domain in host.domains
        }
        assert leads_to["api.example.com"] == leads_to["api.example.com:443"] == name
        for sidecar in (one, other):
            await sidecar.close()
