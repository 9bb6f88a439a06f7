"""CSDS, as a standard tool asks it: what each client was sent, and how it stands with that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

from pilothouse._pb.envoy.config.cluster.v3.cluster_pb2 import Cluster
from pilothouse._pb.envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret
from pilothouse._pb.envoy.service.status.v3 import csds_pb2 as csds
from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.audience import OPEN
from pilothouse.mesh.identity import Grant, Identity
from pilothouse.server import client_status, peer
from pilothouse.serving.feeding import Granted
from pilothouse.translate.secrets import certificate, validation

from .conftest import ADS, Server, Stream, cluster, service
from .test_identity import Secured, spiffe

CLUSTER, ENDPOINTS, SECRET = ResourceType.CLUSTER, ResourceType.ENDPOINTS, ResourceType.SECRET
METHOD = f"/{client_status.SERVICE}/"


async def fetch(channel: grpc.aio.Channel, **request: Any) -> csds.ClientStatusResponse:
    call: Any = channel.unary_unary(
        METHOD + "FetchClientStatus",
        request_serializer=csds.ClientStatusRequest.SerializeToString,
        response_deserializer=csds.ClientStatusResponse.FromString,
    )
    answer: csds.ClientStatusResponse = await call(csds.ClientStatusRequest(**request), timeout=30)
    return answer


async def refused(channel: grpc.aio.Channel, **request: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await fetch(channel, **request)
    return raised.value.code(), raised.value.details() or ""


def statuses(config: csds.ClientConfig) -> dict[str, str]:
    return {one.name: csds.ConfigStatus.Name(one.config_status) for one in config.generic_xds_configs}


async def test_a_client_is_shown_with_what_it_was_sent_and_has_acknowledged(
    server: Server, ads: Any, eventually: Any
) -> None:
    stream = ads(id="web-7", locality={"region": "r", "zone": "a"}, metadata={"NAMESPACE": "shop"})
    await stream.ask(CLUSTER)
    response = await stream.read()
    [config] = (await fetch(server.channel)).config
    assert (config.node.id, config.node.locality.zone, config.client_scope) == ("web-7", "a", "ADS")
    assert config.node.metadata["NAMESPACE"] == "shop"
    assert statuses(config) == {cluster("orders"): "STALE", cluster("payments"): "STALE"}
    await stream.accept(response)

    async def synced() -> bool:
        [config] = (await fetch(server.channel)).config
        return {*statuses(config).values()} == {"SYNCED"}

    await eventually(synced)
    [config] = (await fetch(server.channel)).config
    one = config.generic_xds_configs[0]
    [session] = server.discovery.sessions
    held = session.stream.subscriptions[CLUSTER].held.sent
    assert (one.type_url, one.version_info) == (CLUSTER.url, held[one.name].version)
    assert Cluster.FromString(one.xds_config.value).name == one.name
    assert one.last_updated.seconds > 1_700_000_000


async def test_a_name_that_does_not_exist_is_not_sent(server: Server, eventually: Any) -> None:
    stream = Stream(server.channel, ADS + "StreamAggregatedResources", {"id": "web-0"})
    await stream.ask(CLUSTER, cluster("payments"), "nobody")
    await stream.accept(await stream.read())

    async def known() -> bool:
        [config] = (await fetch(server.channel)).config
        return statuses(config) == {cluster("payments"): "SYNCED", "nobody": "NOT_SENT"}

    await eventually(known)


async def test_a_rejection_has_the_words_of_the_client_at_the_resource_that_they_name(
    server: Server, ads: Any, eventually: Any
) -> None:
    stream = ads()
    await stream.ask(CLUSTER)
    words = f"Error adding/updating cluster(s) {cluster('payments')}: no such field"
    await stream.accept(await stream.read(), error=words)

    async def rejected() -> Any:
        [config] = (await fetch(server.channel)).config
        found = {one.name: one for one in config.generic_xds_configs}[cluster("payments")]
        return found if found.config_status == csds.ERROR else None

    found = await eventually(rejected)
    assert found.error_state.details == words
    assert found.error_state.version_info == found.version_info
    assert found.error_state.last_update_attempt.seconds > 1_700_000_000
    [config] = (await fetch(server.channel)).config
    assert statuses(config)[cluster("orders")] == "SYNCED"


async def test_matchers_choose_clients_and_contents_can_be_left_out(server: Server, ads: Any) -> None:
    for name in ("web-1", "web-2", "cart-1"):
        stream = ads(id=name)
        await stream.ask(CLUSTER)
        await stream.read()
    matcher = {"node_id": {"prefix": "web-"}}
    found = await fetch(server.channel, node_matchers=[matcher], exclude_resource_contents=True)
    assert [config.node.id for config in found.config] == ["web-1", "web-2"]
    resources = [one for config in found.config for one in config.generic_xds_configs]
    assert len(resources) == 4
    assert not any(one.HasField("xds_config") for one in resources)


async def test_a_stream_answers_each_request(server: Server, ads: Any) -> None:
    stream = ads()
    await stream.ask(CLUSTER)
    await stream.read()
    call: Any = server.channel.stream_stream(
        METHOD + "StreamClientStatus", response_deserializer=csds.ClientStatusResponse.FromString
    )()
    for _ in range(2):
        await call.write(csds.ClientStatusRequest().SerializeToString())
        assert [config.node.id for config in (await call.read()).config] == ["web-0"]
    await call.done_writing()
    assert await call.code() is grpc.StatusCode.OK


async def test_a_request_that_cannot_be_read_or_answered_is_refused(server: Server) -> None:
    bad = {"node_id": {"safe_regex": {"regex": "("}}}
    code, said = await refused(server.channel, node_matchers=[bad])
    assert (code, said.partition(":")[0]) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "node_matchers[0].node_id.safe_regex",
    )
    raw: Any = server.channel.unary_unary(METHOD + "FetchClientStatus")
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await raw(b"\xff\xff", timeout=30)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("limit", ["_MOST_CLIENTS", "_MOST_BYTES"])
async def test_an_answer_that_would_be_too_large_is_refused_with_what_to_do(
    server: Server, ads: Any, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    stream = ads()
    await stream.ask(CLUSTER)
    await stream.read()
    monkeypatch.setattr(client_status, limit, 0)
    code, said = await refused(server.channel)
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "node_matchers" in said


async def test_what_is_counted_is_no_less_than_what_is_sent(server: Server, ads: Any) -> None:
    for number in range(3):
        stream = ads(id=f"web-{number}")
        await stream.ask(CLUSTER)
        await stream.accept(await stream.read(), error="no")
    client = server.discovery._client_status
    answer = client_status._Answer(csds.ClientStatusResponse(), True)
    await client._collect(answer, lambda _: True, None)
    sent = len(answer.message.SerializeToString())
    assert sent <= answer.bytes <= 2 * sent


async def test_client_status_waits_in_the_lane_of_all_readers(server: Server, eventually: Any) -> None:
    async with server.discovery.lane.taken():
        asking = asyncio.create_task(fetch(server.channel))
        await eventually(lambda: server.discovery.lane._turn._waiters)
        assert not asking.done()
    await asyncio.wait_for(asking, 30)


async def test_more_requests_than_can_wait_are_told_to_come_back(server: Server, eventually: Any) -> None:
    async with server.discovery.lane.taken():
        asking = [asyncio.create_task(fetch(server.channel)) for _ in range(client_status._AT_ONCE)]
        await eventually(lambda: len(server.discovery.lane._turn._waiters or ()) == client_status._AT_ONCE)
        assert (await refused(server.channel))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
        asking.pop().cancel()
        await eventually(
            lambda: len(server.discovery.lane._turn._waiters or ()) == client_status._AT_ONCE - 1
        )
        asking.append(asyncio.create_task(fetch(server.channel)))
        await eventually(lambda: len(server.discovery.lane._turn._waiters or ()) == client_status._AT_ONCE)
    await asyncio.wait_for(asyncio.gather(*asking), 30)
    await asyncio.wait_for(fetch(server.channel), 30)


async def test_a_peer_from_elsewhere_without_a_certificate_is_refused(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer, "_LOCAL", ("nowhere",))
    code, said = await refused(server.channel)
    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert "client certificate" in said


@pytest.fixture
async def secured(tmp_path: Path) -> AsyncIterator[Secured]:
    """A server that asks for certificates, and hands secrets out."""
    secrets = Granted(SECRET)
    secrets.grant(
        [
            (certificate("web", b"the chain", b"the key"), Grant(frozenset({"shop"}))),
            (validation("ca", b"the authorities"), Grant(anyone=True)),
        ]
    )
    server = Server(OPEN, Identity.spiffe(), {SECRET: secrets})
    server.put(service("payments"))
    found = Secured(server, tmp_path)
    async with AsyncExitStack() as cleanup:
        await found.start(cleanup)
        yield found


async def test_a_certificate_shows_the_clients_of_its_namespace_and_this_machine_all(
    secured: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = {
        namespace: await secured.dial(secured.authority.issue(spiffe(namespace)), id=f"web.{namespace}")
        for namespace in ("shop", "data")
    }
    for stream in streams.values():
        await stream.ask(CLUSTER)
        await stream.read()
    channel = await secured.connect(secured.authority.issue(spiffe("shop")))
    assert len((await fetch(channel)).config) == 2
    monkeypatch.setattr(peer, "_LOCAL", ("nowhere",))
    assert [config.node.id for config in (await fetch(channel)).config] == ["web.shop"]
    nameless = await secured.connect(secured.authority.issue("web.example"))
    assert (await refused(nameless))[0] is grpc.StatusCode.PERMISSION_DENIED


async def test_a_private_key_is_left_out(secured: Secured) -> None:
    mine = secured.authority.issue(spiffe("shop"))
    stream = await secured.dial(mine)
    await stream.ask(SECRET, "web", "ca")
    assert await stream.names() == ["ca", "web"]
    answer = await fetch(await secured.connect(mine))
    text = answer.SerializeToString()
    assert b"the chain" in text
    assert b"the authorities" in text
    assert b"the key" not in text
    found = {
        one.name: Secret.FromString(one.xds_config.value) for one in answer.config[0].generic_xds_configs
    }
    assert found["web"].tls_certificate.private_key.inline_string == "[redacted]"
