"""Nothing of what clients say stays when they have gone, whatever they said."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pilothouse._pb.envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DiscoveryRequest
from pilothouse.encoding.types import TYPES
from pilothouse.mesh.audience import Node, audience
from pilothouse.model.services import Locality, Service
from pilothouse.protocol import interest
from pilothouse.protocol.delta import DELTA
from pilothouse.protocol.sotw import SOTW
from pilothouse.protocol.stream import Stream
from pilothouse.serving.world import World

Make = Callable[..., Service]
CLUSTER, ENDPOINTS, LISTENER, ROUTES = TYPES[:4]
KNOWN = [f"outbound|8080||s{n}.shop.svc.cluster.local" for n in range(20)]

ODD: dict[str, Callable[[int], Node]] = {
    "namespace": lambda n: Node(metadata={"pilothouse": {"namespace": f"odd-{n}"}}),
    "egress": lambda n: Node(metadata={"pilothouse": {"egress": f"127.0.0.{n}:15001"}}),
    "dependencies": lambda n: Node(
        metadata={"pilothouse": {"dependencies": [f"shop/s{n % 20}", f"odd/s{n}"]}}
    ),
    "domains": lambda n: Node(metadata={"pilothouse": {"dependencies": [f"https://a{n}.example.com"]}}),
    "exclusions": lambda n: Node(metadata={"pilothouse": {"dependencies": ["*", f"!shop/odd-{n}"]}}),
    "locality": lambda n: Node(locality=Locality("r", f"odd-{n}")),
    "node": lambda n: Node(metadata={"pilothouse": {"node": f"odd-{n}"}}),
    "capture": lambda n: Node(metadata={"pilothouse": {"capture": "vip", "namespace": f"odd-{n}"}}),
    "names": lambda n: Node(),
}


@pytest.fixture
def full(town: Any, make_service: Make) -> Any:
    town.put(*[make_service(f"shop/s{n}", "10.0.0.1", vips=(f"10.96.0.{n}",)) for n in range(20)])
    return town


def talk(town: Any, node: Node, names: list[str], delta: bool) -> tuple[World, Any]:
    """A client that asks for everything in every way, and is sent it."""
    world = World(town.catalogue, audience(node))
    stream: Any = Stream(DELTA if delta else SOTW)
    for type, wanted in ((CLUSTER, []), (ENDPOINTS, names), (LISTENER, []), (ROUTES, ["egress"])):
        said: Any = {"resource_names_subscribe" if delta else "resource_names": wanted}
        request: Any = (DeltaDiscoveryRequest if delta else DiscoveryRequest)(type_url=type.url, **said)
        stream.receive(type, request, 0.0)
    while stream.poll(world, 100.0):
        pass
    return world, stream


def clients(town: Any, kind: str) -> Iterator[tuple[World, Any]]:
    for n, delta in itertools.product(range(1, 20), (False, True)):
        yield talk(town, ODD[kind](n), [*KNOWN, f"odd-{n}"], delta)


@pytest.mark.parametrize("kind", ODD)
def test_what_odd_clients_leave_behind_is_nothing(full: Any, kind: str) -> None:
    talk(full, Node(), KNOWN, delta=True)  # whose scope, of everything, does not go
    gc.collect()  # what other tests left behind goes now, and not while this one counts
    (entries, size), names = full.catalogue.kept, len(interest._shared)
    held = [*clients(full, kind)]
    assert full.catalogue.kept > (entries + 1, size + 1)
    assert len(interest._shared) > names
    del held
    assert full.catalogue.kept == (entries, size)
    assert len(interest._shared) == names


def test_what_one_client_needs_stays_while_others_come_and_go(full: Any) -> None:
    honest = talk(full, Node(metadata={"pilothouse": {"namespace": "shop"}}), KNOWN, delta=True)
    talk(full, Node(), KNOWN, delta=True)
    routes = honest[0].selection(ROUTES)
    before = full.catalogue.kept
    assert sum(1 for kind in ODD for _ in clients(full, kind)) > len(ODD)
    assert full.catalogue.kept == before
    assert honest[0].selection(ROUTES) is routes


def test_clients_that_ask_for_the_same_share_it(full: Any) -> None:
    held = [talk(full, Node(id=f"web-{n}"), KNOWN, delta=n % 2 == 0) for n in range(10)]
    assert len({id(stream.subscriptions[ENDPOINTS].interest.names) for _, stream in held}) == 1
    assert len({id(world.audience) for world, _ in held}) == 1
    assert len({id(stream.subscriptions[ENDPOINTS].held.sent[KNOWN[0]]) for _, stream in held}) == 1
