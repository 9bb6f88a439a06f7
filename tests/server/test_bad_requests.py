"""A request that makes no sense ends its own stream, with a status that says what was wrong with it."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from pilothouse.encoding.types import ResourceType

from .conftest import cluster

CLUSTER = ResourceType.CLUSTER
BOTH = [cluster("orders"), cluster("payments")]


def metadata(**said: Any) -> dict[str, object]:
    return {"pilothouse": said}


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"pilothouse": "shop"}, "node.metadata.pilothouse"),
        ({"pilothouse": float("nan")}, "node.metadata.pilothouse"),
        (metadata(namespace="Not A Label"), "node.metadata.pilothouse.namespace"),
        (metadata(namespace=float("inf")), "node.metadata.pilothouse"),
        (metadata(dependencies="shop/payments"), "node.metadata.pilothouse.dependencies"),
        (metadata(dependencies=["shop/payments", "x"]), "node.metadata.pilothouse.dependencies[1]"),
        (metadata(egress="localhost:15001"), "node.metadata.pilothouse.egress"),
        (metadata(egress="127.0.0.1:0"), "node.metadata.pilothouse.egress"),
        (metadata(capture="everything"), "node.metadata.pilothouse.capture"),
        (metadata(nmaespace="shop"), "node.metadata.pilothouse.nmaespace"),
    ],
)
async def test_metadata_that_makes_no_sense_is_named(server, ads, said, field) -> None:
    stream = ads(metadata=struct(said))
    await stream.ask(CLUSTER)
    code, details = await stream.ended()
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert details.startswith(f"{field}: "), details
    assert server.discovery.tally.bad_requests == 1


async def test_bytes_that_are_no_message_end_their_own_stream_only(ads) -> None:
    neighbour, stream = ads(), ads()
    await neighbour.ask(CLUSTER)
    await neighbour.read()
    await stream.send(b"\xff\xff\xff\xff")
    code, details = await stream.ended()
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "protobuf" in details
    await neighbour.ask(ResourceType.LISTENER)
    assert await neighbour.names() == ["egress"]


async def test_an_aggregated_stream_must_say_what_a_request_is_about(ads) -> None:
    stream = ads()
    await stream.ask("")
    code, details = await stream.ended()
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert details.startswith("type_url: ")


async def test_a_mistake_later_on_the_stream_is_named_too(ads) -> None:
    stream = ads()
    await stream.ask(CLUSTER)
    assert await stream.names() == BOTH
    await stream.ask("")
    assert (await stream.ended())[0] is grpc.StatusCode.INVALID_ARGUMENT


def struct(value: Any) -> Any:
    """A google.protobuf.Struct, written by hand, because from JSON it could hold neither NaN nor Infinity."""
    from google.protobuf.struct_pb2 import Struct

    message = Struct()
    message.update(value)
    return message
