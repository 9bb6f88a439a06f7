"""Who is refused is remembered, however many there are, until it is accepted."""

from __future__ import annotations

from pilothouse.encoding.types import ResourceType

from .conftest import cluster

CLUSTER = ResourceType.CLUSTER
WRONG = {"metadata": {"pilothouse": {"namespace": "Not A Label"}}}


async def test_a_client_is_remembered_once_with_how_often_and_why_it_was_refused(server, ads) -> None:
    for _ in range(3):
        stream = ads(id="liar-1", **WRONG)
        await stream.ask(CLUSTER)
        await stream.ended()
    [found] = server.discovery.roster.refusals.known()
    assert (found.node, found.count) == ("liar-1", 3)
    assert found.reason.startswith("node.metadata.pilothouse.namespace: ")
    assert found.first_s <= found.last_s
    assert server.discovery.roster.gone() == []


async def test_a_client_that_is_accepted_is_not_refused_any_more(server, ads) -> None:
    stream = ads(id="liar-1", **WRONG)
    await stream.ask(CLUSTER)
    await stream.ended()
    stream = ads(id="liar-1")
    await stream.ask(CLUSTER, cluster("orders"))
    await stream.read()
    assert server.discovery.roster.refusals.known() == []


async def test_clients_that_state_new_names_again_and_again_fill_no_memory(server, ads) -> None:
    for number in range(1010):
        stream = ads(id=f"liar-{number}", **WRONG)
        await stream.ask(CLUSTER)
        await stream.ended()
    found = server.discovery.roster.refusals.known()
    assert len(found) == 1000
    assert {each.node for each in found} == {f"liar-{number}" for number in range(10, 1010)}
