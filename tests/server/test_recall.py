"""A version that clients reject and none accepts is taken back; one that any accepts stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from pilothouse.encoding.types import ResourceType
from pilothouse.model.policy import PLAIN, Balance
from pilothouse.model.services import ServiceName
from pilothouse.server.recall import Recall

from .conftest import Server, Stream, cluster, service

CLUSTER, ENDPOINTS = ResourceType.CLUSTER, ResourceType.ENDPOINTS
PAYMENTS = ServiceName("shop", "payments")
BAD = f"Error adding/updating cluster(s) {cluster('payments')}: no such file"


class Judge:
    """A recall over a server whose clients have been served since the start."""

    def __init__(self, server: Server) -> None:
        server.catalogue.knowledge.begin()
        self._server = server
        self.recalled: list[tuple[str, str]] = []
        sessions, self._rejections = server.discovery.sessions, server.discovery.rejections
        self.recall = Recall(sessions, self._rejections, server.catalogue, self._again, 0.01)

    def _again(self, name: ServiceName, why: str) -> None:
        self.recalled.append((str(name), why))
        self._server.put(self._server.services[name])

    async def verdict(self, eventually: Any) -> bool:
        """Judge payments now that it is rejected. Returns whether that was put off."""
        await eventually(lambda: self._rejections.of(PAYMENTS))
        await self.recall._judge(PAYMENTS)
        return PAYMENTS in self.recall._put_off


@pytest.fixture
def judge(server: Server) -> Judge:
    return Judge(server)


@pytest.fixture
async def recalled(judge: Judge) -> AsyncIterator[list[tuple[str, str]]]:
    """What is taken back by itself, and why."""
    running = asyncio.create_task(judge.recall.run())
    yield judge.recalled
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


def change(server: Server, *names: str) -> None:
    """Give these services another policy."""
    for name in names:
        found = server.services[ServiceName("shop", name)]
        spec = replace(found.spec, policy=replace(PLAIN, balance=Balance.RANDOM))
        server.put(replace(found, spec=spec))


def acknowledged(server: Server, node: str) -> bool:
    """Whether a client has answered what it was sent last."""
    [session] = server.discovery.roster.of(node)
    return not session.stream.subscriptions[CLUSTER].exchange.awaiting


async def holding(stream: Stream) -> Any:
    """The stream has acknowledged all clusters."""
    await stream.ask(CLUSTER)
    assert await stream.names() == [cluster("orders"), cluster("payments")]
    return stream


async def test_what_the_only_client_rejects_is_taken_back_and_accepted(
    server, ads, recalled, eventually
) -> None:
    stream = await holding(ads())
    change(server, "payments")
    await stream.accept(await stream.read(), error=BAD)
    assert cluster("payments") in await stream.names()
    assert recalled == [("shop/payments", "rejected by web-0")]
    assert server.catalogue.quarantined[PAYMENTS].reason == f"rejected by web-0: {BAD}"
    await eventually(lambda: not server.discovery.rejections.of(PAYMENTS))


async def test_what_another_client_has_accepted_stays(server, ads, judge, eventually) -> None:
    good, bad = await holding(ads(id="good")), await holding(ads(id="bad"))
    change(server, "payments")
    await good.names()
    await bad.accept(await bad.read(), error=BAD)
    assert not await judge.verdict(eventually)
    assert judge.recalled == []
    assert not server.catalogue.quarantined


async def test_a_verdict_waits_for_who_has_not_answered(server, ads, judge, eventually) -> None:
    slow, bad = await holding(ads(id="slow")), await holding(ads(id="bad"))
    change(server, "payments")
    late = await slow.read()
    await bad.accept(await bad.read(), error=BAD)
    assert await judge.verdict(eventually)
    await slow.accept(late)
    await eventually(lambda: acknowledged(server, "slow"))
    assert not await judge.verdict(eventually)
    assert judge.recalled == []


async def test_while_any_client_has_not_answered_nothing_is_taken_back(
    server, ads, judge, eventually
) -> None:
    slow, bad = await holding(ads(id="slow")), await holding(ads(id="bad"))
    change(server, "payments")
    await slow.read()  # which is never answered
    await bad.accept(await bad.read(), error=BAD)
    while await judge.verdict(eventually):
        pass
    assert judge.recalled == []


async def test_what_all_clients_reject_is_taken_back_for_all(server, ads, recalled) -> None:
    streams = [await holding(ads(id=node)) for node in ("one", "two")]
    change(server, "payments")
    for stream in streams:
        await stream.accept(await stream.read(), error=BAD)
    for stream in streams:
        assert cluster("payments") in await stream.names()
    assert recalled == [("shop/payments", "rejected by 2 proxies, first one")]


async def test_a_text_that_names_nothing_is_about_the_only_change(server, ads, recalled) -> None:
    stream = await holding(ads())
    change(server, "orders")
    await stream.accept(await stream.read(), error="I do not like that")
    assert cluster("orders") in await stream.names()
    assert recalled == [("shop/orders", "rejected by web-0")]


async def test_nothing_is_taken_back_for_a_text_about_a_service_that_was_not_changed(
    server, ads, judge, eventually
) -> None:
    stream = await holding(ads())
    change(server, "orders")
    await stream.accept(await stream.read(), error=BAD)
    assert not await judge.verdict(eventually)
    assert judge.recalled == []


async def test_rejected_endpoints_take_no_service_back(server, ads, judge, eventually) -> None:
    stream = ads()
    await stream.ask(ENDPOINTS, cluster("payments"))
    await stream.names()
    server.put(service("payments", "10.0.0.1"))
    await stream.accept(await stream.read(), error=BAD)
    assert not await judge.verdict(eventually)
    assert judge.recalled == []
