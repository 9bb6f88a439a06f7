"""Clients that behave oddly or badly, and what that does to the others: nothing."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import grpc
import pytest

from pilothouse._pb.envoy.config.core.v3.base_pb2 import Node

from .manifests import Service
from .plane import ControlPlane
from .relay import Relay
from .scene import Scene, dialled, everywhere, scene
from .stream import DEADLINE_S, Stream, node, path
from .talks import Delta, Sotw
from .topics import CDS, EDS, LDS

ODD = (
    "",
    "**",
    "*/",
    "/*",
    " ",
    ":",
    "|",
    "outbound|",
    "outbound|8080||",
    "outbound|99999999999999999999||a.b",
    "10.96.0.1_",
    "_8080",
    "[::1]:8080",
    "host:-1",
    "../../etc/passwd",
    "%s%n{0}",
    "a\x00b",
    "line\nbreak",
    "\u00e9\u4e16\U0001f600\u202e",
    "x" * 65536,
    "xdstp:",
    "xdstp://authority/envoy.config.cluster.v3.Cluster/shop/*?a=b#c",
    "xdstp:///envoy.config.endpoint.v3.ClusterLoadAssignment/payments",
)


@everywhere()
async def test_R_GARBAGE_R_XDSTP_odd_names_are_names_that_do_not_exist(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    odd = [f"={name}" for name in ODD]
    await talk.ask(*odd, "a", *odd, "a")
    # An empty name can have no load assignment, and one of 64 kB is that of no cluster.
    told = odd if here.variant == "delta" else [name for name in odd if 1 < len(name) < 500]
    await talk.taken(a=1, gone=here.missing(*told))
    if here.variant == "delta":
        await talk.ask(*(f"-{name}" for name in odd))
    else:
        await talk.ask("a")
    await here.save(a=2)
    await talk.taken(a=2)
    await talk.quiet()


@everywhere(CDS, LDS)
async def test_R_GARBAGE_odd_names_beside_a_wildcard(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    odd = [f"={name}" for name in ODD]
    await talk.ask("*", *odd, "*")
    await talk.taken(a=1, gone=odd if here.variant == "delta" else [])
    await here.save(b=1)
    await talk.taken(**{"a": 1, "b": 1} if here.variant == "sotw" else {"b": 1})


@everywhere(EDS, variants=["delta"])
async def test_R_LOCATORS_resource_locators_are_not_fatal(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    locators = [{"name": "a", "dynamic_parameters": {"env": "test"}}]
    await talk.ask("a", resource_locators_subscribe=locators, resource_locators_unsubscribe=locators)
    await talk.taken(a=1)


async def _refused(channel: grpc.aio.Channel, variant: str, *requests: bytes) -> grpc.aio.Call:
    """Say these bytes on ADS; returns the call when the server has ended it."""
    call = channel.stream_stream(path(variant, None))()
    for request in requests:
        await call.write(request)
    # gRPC tells a client the status only when it has read what came before.
    async with asyncio.timeout(DEADLINE_S):
        with suppress(grpc.RpcError):
            while await call.read() is not grpc.aio.EOF:
                pass
    return call


@pytest.mark.parametrize("variant", ["sotw", "delta"])
async def test_R_GARBAGE_what_is_no_protobuf_ends_its_stream_and_no_other(
    control_plane: ControlPlane, variant: str
) -> None:
    async with scene(control_plane, variant) as here:
        await here.save(a=1)
        talk = here.dial()
        await talk.ask("a")
        await talk.taken(a=1)
        good = talk.stream.request(type_url=CDS.url, node=here.node).SerializeToString()
        for bad in (b"\xff\xff", good[:-1], b"\x0a\x02\xff\xfe"):
            for requests in ([bad], [good, bad]):
                call = await _refused(here.channel, variant, *requests)
                assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
        await here.save(a=2)
        await talk.taken(a=2)


def _odd_nodes() -> dict[str, Node]:
    values: dict[str, object] = {
        "text": "x",
        "list": ["x"],
        "null": None,
        "number": 7,
        "unknown key": {"nosuch": 1},
        "long key": {"k" * 70_000: 1},
        "odd key": {"\u4e16\x00\n": 1},
        "not a number": {"namespace": float("nan")},
        "infinity": {"dependencies": [float("inf")]},
        "bad namespace": {"namespace": "No Such"},
        "bad dependency": {"dependencies": ["shop"]},
        "bad address": {"egress": "[::]:99999"},
    }
    nodes = {label: Node(id=label) for label in values}
    value: Any
    for label, value in values.items():
        nodes[label].metadata.update({"pilothouse": value})
    nodes["no value"] = Node()
    nodes["no value"].metadata.fields["pilothouse"].SetInParent()
    return nodes


@pytest.mark.parametrize("odd", [*_odd_nodes().values()], ids=lambda node: node.id or "no value")
async def test_R_GARBAGE_a_node_that_makes_no_sense_is_told_so(
    control_plane: ControlPlane, odd: Node
) -> None:
    async with dialled(control_plane) as channel:
        stream = Stream(channel, "sotw", None)
        await stream.send(type_url=CDS.url, node=odd)
        assert await stream.status() is grpc.StatusCode.INVALID_ARGUMENT
        assert "node.metadata.pilothouse" in await stream.call.details()


@everywhere(EDS, transports=["ads"])
async def test_R_GARBAGE_a_node_with_odd_words_is_served(here: Scene) -> None:
    await here.save(a=1)
    odd = node(namespace=here.namespace.name)
    odd.id = "\u4e16\n\x00" + "x" * 65536
    odd.locality.region = odd.locality.zone = "\x00\u202e" * 1000
    odd.metadata.update({"NAMESPACE": ["no", "name"], "INSTANCE_IPS": [float("inf"), float("nan")]})
    talk = here.dial(node=odd)
    await talk.ask("a")
    await talk.taken(a=1)


@everywhere(EDS)
async def test_R_BIGREQ_a_request_of_more_than_4_MiB_is_served(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    many = [f"=nosuch-{n}-{'x' * 90}" for n in range(50_000)]
    await talk.ask(*many, "a")
    said = await talk.hear()
    contents, gone = talk.shown(said)
    assert contents == talk.named({"a": 1})
    # In State of the World, of the first thousand: what is said of 50,000 would be more than clients take.
    assert len(gone) == (len(many) if here.variant == "delta" else 1000)
    await talk.ack()
    await here.save(a=2)
    await talk.taken(a=2)


@everywhere(CDS, variants=["delta"])
async def test_R_BIGREQ_also_of_one_that_says_what_a_client_has(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    had = {f"nosuch-{n}-{'x' * 80}": "0123456789abcdef" for n in range(50_000)}
    await talk.ask(has=had)
    await talk.taken(a=1, gone=[f"={name}" for name in had])


@everywhere(CDS)
async def test_R_STREAMS_150_streams_on_one_connection_are_served(here: Scene) -> None:
    await here.save(a=1)
    async with dialled(here.control_plane, **{"grpc.max_concurrent_streams": 1000}) as channel:
        kind = Sotw if here.variant == "sotw" else Delta
        topic = here.topic if here.transport == "separate" else None
        streams = [Stream(channel, here.variant, topic) for _ in range(150)]
        talks = [kind(stream, CDS, here.naming(CDS), node=here.node) for stream in streams]
        for talk in talks:
            await talk.ask("a")
        for talk in talks:
            await talk.taken(a=1)
        await here.save(a=2)
        for talk in talks:
            await talk.taken(a=2)
        for stream in streams:
            stream.cancel()


@everywhere(CDS, EDS)
async def test_R_ABRUPT_clients_that_vanish_in_mid_push_hurt_nobody(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("a")
    await talk.taken(a=1)
    n = 1
    for _ in range(5):
        async with Relay(here.control_plane.port) as relay:
            channel = grpc.aio.insecure_channel(
                f"127.0.0.1:{relay.port}", [("grpc.use_local_subchannel_pool", 1)]
            )
            topic = here.topic if here.transport == "separate" else None
            streams = [Stream(channel, here.variant, topic) for _ in range(10)]
            kind = Sotw if here.variant == "sotw" else Delta
            doomed = [kind(stream, here.topic, here.naming(here.topic), node=here.node) for stream in streams]
            for each in doomed:
                await each.ask("a")
            for each in doomed:
                await each.hear()
            n += 1
            here.put(a=n)
            for each in doomed:
                await each.ack()
            relay.cut()
            await here.settled()
            await channel.close()
        await talk.taken(a=n)
    await talk.quiet()


@everywhere(EDS)
async def test_R_SLOW_a_client_that_does_not_read_delays_nobody_and_skips_what_is_past(here: Scene) -> None:
    """Responses of a megabyte, of which the slow clients' windows hold a part of the first."""
    words = [f"s{n}" for n in range(10)]

    def put(last: int) -> None:
        for word in words:
            addresses = (f"10.1.0.{last}", *(f"10.{2 + n // 250}.{last}.{n % 250}" for n in range(800)))
            here.namespace.save(word, Service(addresses=addresses))

    put(1)
    await here.settled()
    topic = here.topic if here.transport == "separate" else None
    names = [here.naming(EDS)(word) for word in words]
    field = "resource_names" if here.variant == "sotw" else "resource_names_subscribe"
    async with dialled(here.control_plane, **{"grpc.http2.bdp_probe": 0}) as channel:
        calls = []
        for _ in range(3):
            stream = Stream(channel, here.variant, topic)
            stream.pause()
            await stream.send(type_url=EDS.url, node=here.node, **{field: names})
            calls.append(stream)
        good = here.dial()
        await good.ask(*words)
        has: dict[str, int] = {}
        for n in range(1, 9):
            put(n)
            while has != good.named(dict.fromkeys(words, n)):
                good.absorb(has, await good.hear())
                await good.ack()
        for stream in calls:
            stream.resume()
            count, seen = 0, {}
            while seen != has:
                said = await stream.hear()
                seen |= said.contents
                count += 1
                sotw = {"version_info": said.version, field: names} if here.variant == "sotw" else {}
                await stream.send(type_url=EDS.url, response_nonce=said.nonce, **sotw)
            assert count < 6
            stream.cancel()


@everywhere(CDS, transports=["ads"])
async def test_R_KEEPALIVE_frequent_pings_on_an_idle_stream_are_tolerated(here: Scene) -> None:
    often = {
        "grpc.keepalive_time_ms": 1000,  # the least that this client can do
        "grpc.keepalive_permit_without_calls": 1,
        "grpc.http2.max_pings_without_data": 0,
    }
    await here.save(a=1)
    async with Relay(here.control_plane.port) as relay:
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{relay.port}", [*often.items()])
        kind = Sotw if here.variant == "sotw" else Delta
        talk = kind(Stream(channel, here.variant, None), CDS, here.naming(CDS), node=here.node)
        await talk.ask("a")
        await talk.taken(a=1)
        async with asyncio.timeout(DEADLINE_S):
            await relay.carries(4 * (9 + 8))  # a ping's frame; gRPC's own defence ends it at the third
        await here.save(a=2)
        await talk.taken(a=2)
        talk.stream.cancel()
        await channel.close()
