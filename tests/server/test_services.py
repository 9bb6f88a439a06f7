"""The services beside ADS: one for each type of resource, health, and reflection."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from pilothouse.encoding.types import ResourceType

from .conftest import Stream, cluster, service

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
BOTH = [cluster("orders"), cluster("payments")]
SERVICES = [
    ("envoy.service.cluster.v3.ClusterDiscoveryService", "Clusters", ResourceType.CLUSTER),
    ("envoy.service.endpoint.v3.EndpointDiscoveryService", "Endpoints", ResourceType.ENDPOINTS),
    ("envoy.service.listener.v3.ListenerDiscoveryService", "Listeners", ResourceType.LISTENER),
    ("envoy.service.route.v3.RouteDiscoveryService", "Routes", ResourceType.ROUTES),
]
NAMES = {
    ResourceType.CLUSTER: ([], BOTH),
    ResourceType.ENDPOINTS: ([cluster("payments")], [cluster("payments")]),
    ResourceType.LISTENER: ([], ["egress"]),
    ResourceType.ROUTES: (["egress"], ["egress"]),
}


@pytest.fixture(params=["Stream", "Delta"])
def separate(request, server):
    """Opens a stream of a service of its own for a type."""

    def run(service: str, methods: str) -> Stream:
        return Stream(server.channel, f"/{service}/{request.param}{methods}", {"id": "web-0"})

    return run


@pytest.mark.parametrize("said", [True, False], ids=["with type_url", "without"])
@pytest.mark.parametrize(("name", "methods", "type"), SERVICES)
async def test_each_type_has_a_service_that_knows_its_type(separate, name, methods, type, said) -> None:
    stream, (asked, given) = separate(name, methods), NAMES[type]
    await stream.ask(type if said else "", *asked)
    response = await stream.read()
    assert response.type_url == type.url
    await stream.accept(response)
    await stream.call.done_writing()
    assert (await stream.ended())[0] is grpc.StatusCode.OK
    again = separate(name, methods)
    await again.ask("", *asked)
    assert await again.names() == given


async def test_a_change_reaches_the_service_of_its_type(server, separate) -> None:
    stream = separate(*SERVICES[1][:2])
    await stream.ask("", cluster("payments"))
    await stream.names()
    server.put(service("payments", "10.0.0.1"))
    assert b"10.0.0.1" in (await stream.read()).SerializeToString()


async def test_a_service_of_one_type_does_not_serve_another(separate) -> None:
    stream = separate(*SERVICES[0][:2])
    await stream.ask(ResourceType.ROUTES)
    code, details = await stream.ended()
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert details.startswith("type_url: ")


async def test_health_is_there_for_the_process_and_for_each_service(server) -> None:
    health: Any = health_pb2_grpc.HealthStub(server.channel)
    for name in ("", *[name for name, _, _ in SERVICES]):
        assert (await health.Check(health_pb2.HealthCheckRequest(service=name))).status == SERVING


async def test_health_turns_before_the_streams_end(server) -> None:
    health: Any = health_pb2_grpc.HealthStub(server.channel)
    watch = health.Watch(health_pb2.HealthCheckRequest())
    assert (await watch.read()).status == SERVING
    stopping = asyncio.create_task(server.stop())
    assert (await watch.read()).status == NOT_SERVING
    watch.cancel()
    await stopping


async def test_reflection_tells_of_every_service_and_its_methods(server) -> None:
    def ask() -> tuple[set[str], list[str]]:
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            database = ProtoReflectionDescriptorDatabase(channel)
            names = set(database.get_services())
            file = database.FindFileContainingSymbol(SERVICES[0][0])
            return names, [method.name for method in file.service[0].method]

    names, methods = await asyncio.to_thread(ask)
    assert names >= {name for name, _, _ in SERVICES} | {
        "envoy.service.discovery.v3.AggregatedDiscoveryService",
        "envoy.service.status.v3.ClientStatusDiscoveryService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    assert {"StreamClusters", "DeltaClusters"} <= set(methods)
