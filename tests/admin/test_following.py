"""What those are told who read events, of changes, streams and sources; and how much at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pilothouse.admin.api.events import Told
from pilothouse.admin.reading import following as module
from pilothouse.admin.reading.following import Following
from pilothouse.admin.reading.services import Parts
from pilothouse.admin.status import HoldStatus, SourceStatus, Status
from pilothouse.encoding.types import ResourceType
from pilothouse.model.services import Service
from pilothouse.registry.merged import Registry
from pilothouse.server.discovery import Discovery
from pilothouse.server.session import Session
from pilothouse.serving.catalogue import Catalogue
from pilothouse.serving.census import Census
from pilothouse.structures.delivery import confirmed
from pilothouse.structures.delivery import told as noted

from .test_api import rejecting

HOLD = HoldStatus(3, 9, ("shop/a",), 1.0, 2.0)
CLUSTER = ResourceType.CLUSTER


class Scene:
    """A registry with a service, clients of it, and what is told to one who reads the events."""

    def __init__(self, services: list[Service], busy: Status) -> None:
        self.registry, catalogue = Registry(["files"]), Catalogue()
        self.shard = self.registry.shard("files")
        self.shard.replace(services)
        catalogue.apply([*self.registry.services], self.registry.services)
        self.discovery = Discovery(catalogue)
        self.publish()
        self.said = replace(busy, sources=(SourceStatus("files", synced=True),))
        self.now = 0.0
        parts = Parts(self.registry, catalogue, Census(catalogue, self.registry.services))
        self.following = Following(lambda: self.said, parts, self.discovery, lambda: self.now)

    def publish(self) -> Any:
        """Take what has changed, as if it were told to all."""
        delivery = self.registry.revisions.take()
        if delivery is not None:
            delivery.told_all()
        return delivery

    async def told(self) -> list[Told]:
        """What is told of the second that has passed since the last look."""
        self.now += 1.0
        return [each async for each in self.following.found()]

    async def join(self, node: str) -> Session:
        """A client that rejects the clusters that it is sent."""
        session = await rejecting(self.discovery, node)
        self.discovery.roster.meet(session)
        return session

    def part(self, session: Session) -> None:
        self.discovery.roster.part(session, "it is gone")
        del self.discovery._conversations[session]
        session.end()


@pytest.fixture
async def scene(make_service: Callable[..., Service], busy: Status) -> Scene:
    found = Scene([make_service("shop/s1", "10.0.0.1")], busy)
    await found.following.begin()
    return found


def rows(told: list[Told], kind: str = "proxy") -> list[tuple[str, str]]:
    return [(each.node, each.state) for said, each in told if said == kind]


async def test_nothing_is_told_of_what_was_so_before(scene) -> None:
    assert await scene.told() == []


async def test_a_change_is_told_when_it_is_published_and_when_it_has_ended(scene, make_service) -> None:
    scene.shard.put(make_service("shop/s1", "10.0.0.2"))
    assert await scene.told() == [], "it is not published yet"
    delivery = scene.registry.revisions.take()
    assert await scene.told() == [], "it is not told to all yet"
    held = noted((), delivery, "web-1")
    delivery.told_all()
    [(kind, change)] = await scene.told()
    assert (kind, change.number, change.published.outstanding) == ("change", 2, 1)
    assert await scene.told() == []
    confirmed(held, 1.0, "web-1")
    [(kind, change)] = await scene.told()
    assert (kind, change.number, change.published.outstanding) == ("change", 2, 0)
    assert await scene.told() == []


async def test_a_change_that_nobody_waits_for_is_told_once(scene, make_service) -> None:
    scene.shard.put(make_service("shop/s1", "10.0.0.2"))
    scene.publish()
    assert [kind for kind, _ in await scene.told()] == ["change"]
    assert await scene.told() == []


async def test_many_changes_are_told_in_several_looks(scene, make_service, monkeypatch) -> None:
    monkeypatch.setattr(scene.following._changes._progress, "_most", 2)
    for number in range(5):
        scene.shard.put(make_service("shop/s1", f"10.0.1.{number}"))
        scene.publish()
    looks = [[each.number for _, each in await scene.told()] for _ in range(4)]
    assert looks == [[2, 3], [4, 5], [6], []]


async def test_who_missed_changes_that_are_forgotten_reads_the_pages_again(scene, make_service) -> None:
    for number in range(1002):
        scene.shard.put(make_service("shop/s1", f"10.0.{number // 250}.{number % 250}"))
        scene.publish()
    assert (await scene.told())[0] == ("reset", None)


async def test_a_stream_is_told_when_it_connects_and_when_it_has_gone(scene) -> None:
    session = await scene.join("web-7")
    told = await scene.told()
    assert rows(told) == [("web-7", "NACKED")]
    assert await scene.told() == []
    scene.part(session)
    [(kind, row)] = await scene.told()
    assert (kind, row.node, row.state, row.reason) == ("proxy", "web-7", "GONE", "it is gone")
    assert await scene.told() == []


async def test_a_node_that_is_back_is_not_said_to_be_gone(scene) -> None:
    first = await scene.join("web-7")
    await scene.told()
    scene.part(first)
    await scene.join("web-7")
    assert rows(await scene.told()) == [("web-7", "NACKED")]


async def test_a_rejection_is_told_once(scene) -> None:
    await scene.join("web-7")
    [nack] = [each for kind, each in await scene.told() if kind == "nack"]
    assert (nack.node, nack.type, [each.service for each in nack.services]) == ("web-7", "CDS", ["shop/s1"])
    assert await scene.told() == []


async def test_a_stream_that_is_sent_a_change_is_told_when_it_is_not_what_it_was(scene, monkeypatch) -> None:
    session = await scene.join("web-7")
    await scene.told()
    exchange = session.stream.subscriptions[CLUSTER].exchange
    for state, told in (("SENDING", []), ("NACKED", []), ("SENDING", []), ("SYNCED", [("web-7", "SYNCED")])):
        exchange.awaiting = state == "SENDING"
        exchange.error = "no" if state == "NACKED" else ""
        assert rows(await scene.told()) == told, state


async def test_a_herd_is_told_in_several_looks_and_each_stream_once(scene, monkeypatch) -> None:
    monkeypatch.setattr(module, "_MOST_ROWS", 4)
    nodes = [f"web-{number}" for number in range(9)]
    for node in nodes:
        await scene.join(node)
    looks = [await scene.told() for _ in range(6)]
    assert [node for look in looks for node, _ in rows(look)] == nodes
    assert max(len(look) for look in looks) <= 4
    assert looks[-1] == []


async def test_who_missed_that_more_have_gone_than_are_remembered_reads_the_pages_again(
    scene, monkeypatch
) -> None:
    session = await scene.join("web-7")
    await scene.told()
    scene.part(session)
    scene.discovery.roster._gone.clear()
    assert await scene.told() == [("reset", None)]


async def test_a_source_that_has_changed_is_told_and_so_is_its_hold(scene) -> None:
    scene.said = replace(scene.said, sources=(SourceStatus("files", synced=True, hold=HOLD),))
    told = await scene.told()
    assert [kind for kind, _ in told] == ["source", "hold"]
    assert told[1][1].lost_services == 3
    assert await scene.told() == []
    scene.said = replace(scene.said, sources=(SourceStatus("files", synced=True),))
    told = await scene.told()
    assert [kind for kind, _ in told] == ["source", "hold"]
    assert told[1][1].ended is True


async def test_streams_are_looked_at_less_often_if_that_takes_long(scene) -> None:
    streams = scene.following._streams
    looks = 0

    async def slow():
        nonlocal looks
        looks += 1
        scene.now += 0.1
        for each in ():
            yield each

    streams.found = slow
    for _ in range(12):
        await scene.told()
    assert looks == 3, "five seconds after a tenth of one"
