"""The stream of names, from control planes that do as they like."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc

from pilothouse._pb.envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryResponse
from pilothouse._pb.pilothouse.names.v1.names_pb2 import Names
from pilothouse.agent.following import Following
from pilothouse.agent.learned import Learned
from pilothouse.agent.subscription import Subscription
from pilothouse.encoding.types import ResourceType
from pilothouse.structures.hostport import HostPort

from ..conftest import Eventually
from .test_subscription import NODE

Does = Callable[[Any], Awaitable[None]]
SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"


def services(count: int) -> bytes:
    """A response that tells of so many services."""
    found = DeltaDiscoveryResponse(type_url=ResourceType.NAMES.url, nonce="1")
    for number in range(count):
        message = Names()
        message.service.namespace, message.service.name = "shop", f"web-{number}"
        added = found.resources.add(name=f"web-{number}.shop.svc.cluster.local", version="1")
        added.resource.type_url, added.resource.value = ResourceType.NAMES.url, message.SerializeToString()
    return found.SerializeToString()


@asynccontextmanager
async def following(does: Does) -> AsyncIterator[tuple[Following, Learned]]:
    """A resolver that follows a control plane, which does this on each stream."""

    async def stream(_: object, context: Any) -> None:
        await context.read()
        await does(context)

    handler = grpc.stream_stream_rpc_method_handler(stream)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(SERVICE, {"DeltaAggregatedResources": handler})]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    learned = Learned()
    found = Following(HostPort("127.0.0.1", port), Subscription(NODE, learned))
    running = asyncio.create_task(found.run())
    try:
        yield found, learned
        assert not running.done(), running.exception()
    finally:
        running.cancel()
        await server.stop(None)


async def test_a_stream_that_ends_before_its_message_is_learned_is_begun_again(
    eventually: Eventually,
) -> None:
    streams = 0

    async def ends(context: Any) -> None:
        nonlocal streams
        streams += 1
        await context.write(services(2000))

    async with following(ends) as (_, learned):
        await eventually(lambda: streams > 1)
        await eventually(lambda: len(learned) == 2000)


async def test_what_cannot_be_read_ends_the_stream_and_nothing_else(eventually: Eventually) -> None:
    streams = 0

    async def speaks(context: Any) -> None:
        nonlocal streams
        streams += 1
        await context.write(services(1) if streams == 1 else b"\xff\xff")
        await context.read()

    async with following(speaks) as (found, learned):
        await eventually(lambda: streams > 2)
        assert len(learned) == 1
        await eventually(lambda: found.trouble.startswith("it says what cannot be read"))


async def test_the_last_reason_for_silence_is_known(eventually: Eventually) -> None:
    streams = 0

    async def refuses(context: Any) -> None:
        nonlocal streams
        streams += 1
        code = grpc.StatusCode.PERMISSION_DENIED if streams > 2 else grpc.StatusCode.INVALID_ARGUMENT
        await context.abort(code, "no")

    async with following(refuses) as (found, _):
        await eventually(lambda: streams > 3)
        assert found.trouble == "PERMISSION_DENIED: no"
        assert not found.connected


async def test_other_types_are_not_answered(eventually: Eventually) -> None:
    answered = asyncio.Event()

    async def speaks(context: Any) -> None:
        other = DeltaDiscoveryResponse(type_url=ResourceType.CLUSTER.url, nonce="1")
        await context.write(other.SerializeToString())
        await context.write(services(1))
        await context.read()
        answered.set()
        await asyncio.Event().wait()

    async with following(speaks) as (found, learned):
        await asyncio.wait_for(answered.wait(), 20)
        assert (found.connected, len(learned)) == (True, 1)
