"""The xDS server on a port of its own, in this process, and a gRPC client that is a stranger to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest

from pilothouse._pb.envoy.service.discovery.v3 import discovery_pb2 as discovery
from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.audience import OPEN, Admission
from pilothouse.mesh.identity import Identity
from pilothouse.model.services import Endpoint, Port, Service, ServiceName, ServiceSpec
from pilothouse.registry.revisions import Revisions
from pilothouse.server.discovery import Discovery
from pilothouse.server.grpc_server import Terms, serving
from pilothouse.serving.catalogue import Catalogue
from pilothouse.serving.shelf import Shelf
from pilothouse.sources import Cause

ADS = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"
WITHIN_S = 10.0


class Stream:
    """One xDS stream as a client has it; every read has a deadline."""

    def __init__(self, channel: grpc.aio.Channel, method: str, node: dict[str, Any]) -> None:
        self.delta = "/Delta" in method
        self.Request: Any = discovery.DeltaDiscoveryRequest if self.delta else discovery.DiscoveryRequest
        kind: Any = discovery.DeltaDiscoveryResponse if self.delta else discovery.DiscoveryResponse
        self.call: Any = channel.stream_stream(method, response_deserializer=kind.FromString)()
        self._node = node
        self._names: dict[str, tuple[str, ...]] = {}

    async def ask(self, type: ResourceType | str, *names: str, **fields: Any) -> None:
        """Ask for resources of a type by name; without names, for all. The node goes first of all."""
        url = type if isinstance(type, str) else type.url
        self._names[url] = names
        wanted = {"resource_names_subscribe" if self.delta else "resource_names": names}
        await self.send(self.Request(type_url=url, node=self._node, **wanted, **fields))
        self._node = {}

    async def send(self, request: Any) -> None:
        """Send a request, or bytes in place of one."""
        data = request if isinstance(request, bytes) else request.SerializeToString()
        await asyncio.wait_for(self.call.write(data), WITHIN_S)

    async def accept(self, response: Any, error: str = "") -> None:
        """Acknowledge a response, or reject it with an error."""
        answer = self.Request(type_url=response.type_url, response_nonce=response.nonce)
        if not self.delta:  # which says each time all that it wants
            answer.resource_names.extend(self._names.get(response.type_url) or self._names.get("", ()))
            answer.version_info = "" if error else response.version_info
        if error:
            answer.error_detail.message = error
        await self.send(answer)

    async def read(self) -> Any:
        """The next response. Raises grpc.RpcError, or EOFError where the stream ended well."""
        response = await asyncio.wait_for(self.call.read(), WITHIN_S)
        if response is grpc.aio.EOF:
            raise EOFError
        return response

    async def names(self) -> list[str]:
        """The names of what is in the next response, which is acknowledged."""
        response = await self.read()
        await self.accept(response)
        return sorted(named(response))

    async def ended(self) -> tuple[grpc.StatusCode, str]:
        """How the stream ended."""
        code = await asyncio.wait_for(self.call.code(), WITHIN_S)
        return code, await self.call.details()


class Server:
    """A server over services that a test puts in and takes out."""

    def __init__(
        self,
        admission: Admission = OPEN,
        identity: Identity | None = None,
        feeds: Mapping[ResourceType, Shelf] | None = None,
    ) -> None:
        self.catalogue = Catalogue()
        self.discovery = Discovery(self.catalogue, admission, identity, feeds)
        self.revisions = Revisions()
        self.services: dict[ServiceName, Service] = {}

    async def start(self, cleanup: AsyncExitStack, tls: Any = None, address: str = "127.0.0.1:0") -> None:
        self._cleanup = cleanup
        self.serving = await cleanup.enter_async_context(AsyncExitStack())
        self.port = await self.serving.enter_async_context(serving(self.discovery, address, Terms(tls)))
        self.channel = await self.connect()

    async def stop(self) -> None:
        await self.serving.aclose()

    async def connect(self, *options: tuple[str, Any]) -> grpc.aio.Channel:
        """A connection of its own, which no other channel shares."""
        alone, unlimited = ("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{self.port}", [alone, unlimited, *options])
        return await self._cleanup.enter_async_context(channel)

    def put(self, *services: Service) -> None:
        self.services.update({service.name: service for service in services})
        names = [service.name for service in services]
        self.revisions.note("files", Cause(), names)
        self.discovery.publish(self.catalogue.apply(names, self.services), self.revisions.take())


@pytest.fixture
def admission() -> Admission:
    return OPEN


@pytest.fixture
async def server(admission: Admission) -> AsyncIterator[Server]:
    """A server that knows `shop/payments` and `shop/orders`."""
    started = Server(admission)
    started.put(service("payments"), service("orders"))
    async with AsyncExitStack() as cleanup:
        await started.start(cleanup)
        yield started


@pytest.fixture(params=["StreamAggregatedResources", "DeltaAggregatedResources"], ids=["sotw", "delta"])
def ads(request: pytest.FixtureRequest, server: Server) -> Any:
    """Opens an ADS stream: `stream = ads()`, or with a node, or on another channel."""

    def run(channel: grpc.aio.Channel | None = None, **node: Any) -> Stream:
        return Stream(channel or server.channel, ADS + request.param, {"id": "web-0", **node})

    return run


def service(name: str, *addresses: str) -> Service:
    spec = ServiceSpec(ServiceName("shop", name), (Port("http", 8080),))
    return Service(spec, tuple(Endpoint(address, (("http", 8080),)) for address in addresses))


def cluster(name: str) -> str:
    return f"outbound|8080||{name}.shop.svc.cluster.local"


def named(response: Any) -> list[str]:
    """The names of the resources in a response."""
    if hasattr(response, "removed_resources"):
        return [resource.name for resource in response.resources]
    # A name is field 1 of every type, and shorter than 128 bytes.
    return [resource.value[2 : 2 + resource.value[1]].decode() for resource in response.resources]
