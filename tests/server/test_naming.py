"""What resolvers are told over ADS: the names that their namespace may know of, and whether these are all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest

from pilothouse._pb.pilothouse.names.v1.names_pb2 import Names as Message
from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.names import ClusterZone
from pilothouse.model.services import Endpoint, Service, ServiceName
from pilothouse.server.publishing import completing
from pilothouse.serving.naming import Names

from .conftest import ADS, Server, Stream, service

NDS = ResourceType.NAMES
PAYMENTS, ORDERS = "payments.shop.svc.cluster.local", "orders.shop.svc.cluster.local"


class Told:
    """A server whose clients are told of names, and whether they are all there are."""

    def __init__(self) -> None:
        self.complete = True
        self.server = Server()
        self.shelf = Names(self.server.catalogue, ClusterZone(), lambda: self.complete)
        self.server.discovery.shelves = {**self.server.discovery.shelves, NDS: self.shelf}

    def ads(self, namespace: str = "shop", method: str = "DeltaAggregatedResources") -> Stream:
        node = {"id": f"{namespace}-dns", "metadata": {"pilothouse": {"namespace": namespace}}}
        return Stream(self.server.channel, ADS + method, node)


@pytest.fixture
async def told() -> AsyncIterator[Told]:
    found = Told()
    found.server.put(service("payments", "10.1.0.1"), headless("orders", "10.1.0.2"))
    async with AsyncExitStack() as cleanup:
        await found.server.start(cleanup)
        yield found


def headless(name: str, *addresses: str, **fields: Any) -> Service:
    found = service(name, *addresses)
    return replace(found, spec=replace(found.spec, headless=True, **fields))


def messages(response: Any) -> dict[str, Any]:
    return {each.name: Message.FromString(each.resource.value) for each in response.resources}


async def test_a_resolver_is_told_of_every_service_and_of_the_zone(told: Told) -> None:
    stream = told.ads()
    await stream.ask(NDS, "*")
    found = messages(await stream.read())
    assert found.keys() == {PAYMENTS, ORDERS, "cluster.local"}
    assert found["cluster.local"].zone.complete
    assert [each.address for each in found[ORDERS].service.endpoints] == [bytes((10, 1, 0, 2))]
    # Who calls a virtual IP need not know what is behind it.
    assert not found[PAYMENTS].service.endpoints


async def test_a_change_is_one_resource_and_endpoints_of_a_virtual_ip_are_none(told: Told) -> None:
    stream = told.ads()
    await stream.ask(NDS, "*")
    await stream.accept(await stream.read())
    told.server.put(service("payments", "10.1.0.1", "10.1.0.7"))
    told.server.put(headless("orders", "10.1.0.2", "10.1.0.3"))
    response = await stream.read()
    assert [*messages(response)] == [ORDERS]
    assert len(messages(response)[ORDERS].service.endpoints) == 2


async def test_a_service_that_is_gone_is_removed(told: Told) -> None:
    stream = told.ads()
    await stream.ask(NDS, "*")
    await stream.accept(await stream.read())
    del told.server.services[ServiceName("shop", "orders")]
    told.server.put()
    told.server.discovery.publish(told.server.catalogue.apply([ServiceName("shop", "orders")], {}))
    assert [*(await stream.read()).removed_resources] == [ORDERS]


async def test_what_is_not_exported_is_told_to_nobody_else(told: Told) -> None:
    told.server.put(headless("secret", "10.1.0.9", exported_to=frozenset({"shop"})))
    near, far = told.ads("shop"), told.ads("data")
    for stream, knows in ((near, True), (far, False)):
        await stream.ask(NDS, "*")
        response = await stream.read()
        assert ("secret.shop.svc.cluster.local" in messages(response)) is knows
        await stream.accept(response)
    # Nor may it be asked for by its name, and what it becomes is no news to others.
    await far.ask(NDS, "secret.shop.svc.cluster.local")
    response = await far.read()
    assert not messages(response)
    await far.accept(response)
    told.server.put(headless("secret", "10.1.0.8", exported_to=frozenset({"shop"})))
    assert [*messages(await near.read())] == ["secret.shop.svc.cluster.local"]
    told.server.put(headless("secret", "10.1.0.8"))
    response = await far.read()
    assert [*messages(response)] == ["secret.shop.svc.cluster.local"]
    await far.accept(response)
    told.server.put(headless("secret", "10.1.0.8", exported_to=frozenset({"shop"})))
    assert [*(await far.read()).removed_resources] == ["secret.shop.svc.cluster.local"]


async def test_a_resolver_that_comes_again_is_sent_what_has_changed(told: Told) -> None:
    first = told.ads()
    await first.ask(NDS, "*")
    response = await first.read()
    known = {each.name: each.version for each in response.resources}
    told.server.put(headless("orders", "10.1.0.4"))
    again = told.ads()
    await again.ask(NDS, "*", initial_resource_versions={**known, "gone.shop.svc.cluster.local": "1"})
    response = await again.read()
    assert [*messages(response)] == [ORDERS]
    assert [*response.removed_resources] == ["gone.shop.svc.cluster.local"]


async def test_resolvers_are_told_once_every_name_is_known(told: Told) -> None:
    told.complete = False
    tell = completing(told.shelf, told.server.discovery)
    tell([])
    stream = told.ads()
    await stream.ask(NDS, "*")
    response = await stream.read()
    assert not messages(response)["cluster.local"].zone.complete
    await stream.accept(response)
    told.complete = True
    tell([])
    found = messages(await stream.read())
    assert [*found] == ["cluster.local"]
    assert found["cluster.local"].zone.complete


async def test_names_can_be_asked_for_one_by_one_in_both_variants(told: Told) -> None:
    for method in ("DeltaAggregatedResources", "StreamAggregatedResources"):
        stream = told.ads(method=method)
        await stream.ask(NDS, PAYMENTS, "gone.shop.svc.cluster.local")
        response = await stream.read()
        resources = [getattr(each, "resource", each) for each in response.resources]
        assert [Message.FromString(each.value).service.name for each in resources] == ["payments"]


async def test_a_service_of_an_endpoint_that_is_out_of_service_has_no_record_for_it(told: Told) -> None:
    ready = Endpoint("10.1.0.1", (("http", 8080),))
    drained = Endpoint("10.1.0.2", (("http", 8080),), weight=0)
    by_name = Endpoint("db.example.com", (("http", 8080),))
    told.server.put(replace(headless("orders"), endpoints=(ready, drained, by_name)))
    stream = told.ads()
    await stream.ask(NDS, ORDERS)
    found = messages(await stream.read())[ORDERS].service
    assert [each.address for each in found.endpoints] == [bytes((10, 1, 0, 1))]
