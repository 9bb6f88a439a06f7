"""From a change to the last ACK of it, over real streams."""

from __future__ import annotations

import time

import pytest

from pilothouse.admin.observe import Observed
from pilothouse.encoding.types import ResourceType
from pilothouse.registry.merged import Registry
from pilothouse.server import publishing
from pilothouse.serving.census import Census
from pilothouse.sources import UNSTATED, Cause
from pilothouse.structures.dirty import DirtySet

from .conftest import cluster, service

CLUSTER, ENDPOINTS, LISTENER = ResourceType.CLUSTER, ResourceType.ENDPOINTS, ResourceType.LISTENER


@pytest.fixture
def answered(server):
    """How many revisions all clients have answered."""

    def count() -> int:
        seen = server.revisions.propagation.get("files")
        return seen.cumulative[-1] if seen else 0

    return count


async def following(stream, *names):
    """Has the endpoints of these services, and has acknowledged that."""
    await stream.ask(ENDPOINTS, *map(cluster, names))
    await stream.names()
    return stream


async def settled(server, eventually, awaiting=0):
    """Every answer that is on its way has been read, but for so many."""

    def unanswered():
        sessions = server.discovery.sessions
        return sum(held.exchange.awaiting for each in sessions for held in each.stream.subscriptions.values())

    await eventually(lambda: unanswered() == awaiting)


async def test_a_revision_ends_with_the_last_answer(server, ads, answered, eventually) -> None:
    quick, slow = await following(ads(), "payments"), await following(ads(), "payments")
    await settled(server, eventually)
    server.put(service("payments", "10.0.0.1"))
    response = await slow.read()
    await quick.names()
    await settled(server, eventually, awaiting=1)
    assert answered() == 0
    await slow.accept(response)
    await eventually(lambda: answered() == 1)
    assert server.revisions.rejected["files"] == 0


async def test_a_rejection_ends_a_revision_and_is_counted_apart(server, ads, answered, eventually) -> None:
    stream = await following(ads(), "payments")
    await settled(server, eventually)
    server.put(service("payments", "10.0.0.1"))
    await stream.accept(await stream.read(), error="no such thing")
    await eventually(lambda: server.revisions.rejected["files"] == 1)
    assert answered() == 0, "what was rejected has not arrived"


async def test_an_answer_to_a_merged_response_ends_all_that_is_in_it(
    server, ads, answered, eventually
) -> None:
    stream = await following(ads(), "payments")
    await settled(server, eventually)
    server.put(service("payments", "10.0.0.1"))
    first = await stream.read()
    server.put(service("payments", "10.0.0.2"))
    server.put(service("payments", "10.0.0.3"))
    await stream.accept(first)
    second = await stream.read()
    assert answered() == 1
    await stream.accept(second)
    await eventually(lambda: answered() == 3)


async def test_a_stream_that_does_not_want_a_change_does_not_keep_it_open(
    server, ads, answered, eventually
) -> None:
    stream, other = await following(ads(), "payments"), await following(ads(), "orders")
    await settled(server, eventually)
    server.put(service("orders", "10.0.0.1"))
    await other.names()
    await eventually(lambda: answered() == 1)
    assert stream


async def test_a_stream_that_ends_is_not_waited_for_and_its_change_is_incomplete(
    server, ads, answered, eventually
) -> None:
    stream, leaving = await following(ads(), "payments"), await following(ads(), "payments")
    await settled(server, eventually)
    server.put(service("payments", "10.0.0.1"))
    await stream.names()
    await leaving.read()
    assert answered() == 0
    leaving.call.cancel()
    await eventually(lambda: not server.revisions._open)
    assert (answered(), server.revisions.incomplete["files"]) == (0, 1)


async def test_what_changes_back_before_it_is_sent_is_not_waited_for(
    server, ads, answered, eventually
) -> None:
    stream = await following(ads(), "payments")
    await settled(server, eventually)
    server.put(service("payments", "10.0.0.1"))
    first = await stream.read()
    server.put(service("payments", "10.0.0.2"))
    server.put(service("payments", "10.0.0.1"))
    await stream.accept(first)
    await eventually(lambda: not server.revisions._open)
    assert answered() == 1  # of the others there was nothing to answer


async def test_a_removal_that_has_to_wait_keeps_its_revision_open(server, ads, eventually) -> None:
    """Clusters go when nothing refers to them any more."""
    stream = ads()
    await stream.ask(CLUSTER)
    await stream.names()
    await stream.ask(LISTENER)
    await stream.names()
    await settled(server, eventually)
    name = service("payments").name
    del server.services[name]
    server.revisions.note("files", UNSTATED, [name])
    server.discovery.publish(server.catalogue.apply([name], server.services), server.revisions.take())
    told = []
    while CLUSTER.url not in told:
        assert server.revisions._open
        response = await stream.read()
        told.append(response.type_url)
        await stream.accept(response)
    await eventually(lambda: not server.revisions._open)


async def test_what_a_source_reports_is_timed_from_there_through_the_whole_process(
    server, ads, eventually
) -> None:
    """As `serve` runs it: the registry, its publisher, and what the metrics are made of."""
    registry, catalogue = Registry(["files"]), server.catalogue
    shard = registry.shard("files")
    stream = await following(ads(), "payments")
    await settled(server, eventually)
    shard.replace([service("payments", "10.0.0.1"), service("orders")])
    shard.put(service("payments", "10.0.0.2"), Cause("payments.yaml:3", time.monotonic() - 5))
    await publishing.publish_next(registry, catalogue, server.discovery, DirtySet())
    await stream.names()

    def propagation():
        [found] = Observed(0.0, [], registry, catalogue, server.discovery, Census(catalogue, {})).propagation
        return found

    await eventually(lambda: propagation().taken.seconds[-1] == 2)
    assert (propagation().source, propagation().revisions, propagation().incomplete) == ("files", 2, 0)
    assert 5 < propagation().taken.total_s < 15
