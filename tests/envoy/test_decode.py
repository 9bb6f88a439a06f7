"""What is on the wire, read by an independent decoder: envoy-data-plane and protobuf find the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from google.protobuf import json_format

from pilothouse._pb.envoy.config.cluster.v3 import cluster_pb2
from pilothouse._pb.envoy.config.endpoint.v3 import endpoint_pb2
from pilothouse._pb.envoy.config.listener.v3 import listener_pb2
from pilothouse._pb.envoy.config.route.v3 import route_pb2

from .manifests import alias, node, service
from .mesh import virtual_ip

pytestmark = pytest.mark.envoy

OURS: dict[str, Any] = {
    "Cluster": cluster_pb2.Cluster,
    "ClusterLoadAssignment": endpoint_pb2.ClusterLoadAssignment,
    "Listener": listener_pb2.Listener,
    "RouteConfiguration": route_pb2.RouteConfiguration,
}
TCP, GRPC = [{"name": "tcp", "port": 5432}], [{"name": "grpc", "port": 8080}]


async def test_envoy_data_plane_reads_the_same_content(mesh) -> None:
    one = await mesh.backend("one")
    mesh.manifests.save("nodes", node("n1", "eu", "eu-a"), node("n2", "eu", "eu-b"))
    slices = one.slice("web", nodeName="n1", weight=7), one.slice("web", nodeName="n2", zone="eu-b")
    mesh.manifests.save("web", service("web", clusterIP=virtual_ip()), *slices)
    mesh.manifests.save("old", alias("old", "web.shop.svc.cluster.local"), service("idle"))
    mesh.manifests.save("db", service("db", clusterIP=virtual_ip(), ports=TCP))
    mesh.manifests.save("rpc", service("rpc", ports=GRPC), one.slice("rpc", port_name="grpc"))
    tap = await mesh.tap((await mesh.serve()).port)
    sidecar = await mesh.sidecar(tap.port, locality="eu/eu-a", capture="vip")
    assert await sidecar.rejected() == {}

    packed = [resource for response in tap.recordings[0].responses for resource in response.resources]
    if mesh.delta:
        packed = [resource.resource for resource in packed]
    assert {any.type_url.rpartition(".")[2] for any in packed} == OURS.keys()
    assert len(packed) == 4 + 4 + 3 + 2
    for any in packed:
        ours = json_format.MessageToDict(OURS[any.type_url.rpartition(".")[2]].FromString(any.value))
        assert theirs(any, ours) == ours


def theirs(any, ours: object) -> object:
    """The content of an Any as the classes of envoy-data-plane read it, in JSON."""
    for url in types_in(ours):
        their_class(url)
    text = json.dumps(their_class(any.type_url).parse(any.value).to_dict())
    return json.loads(text.replace("5Xx", "5xx"))  # its own spelling of a name in JSON


def their_class(url: str):
    """The class for a type URL. To import its module is what makes an Any that holds it readable."""
    module, _, name = url.rpartition("/")[2].rpartition(".")
    return getattr(import_module(f"envoy_data_plane.{module}"), name)


def types_in(content: object) -> Iterator[str]:
    """The type URLs of everything that is packed inside."""
    if isinstance(content, dict):
        yield from [content["@type"]] if "@type" in content else []
        content = list(content.values())
    for each in content if isinstance(content, list) else []:
        yield from types_in(each)
