"""A type that has a row, and of which the machine knows nothing else, works as the others do.

It takes part in test_convergence and test_agreement, too.
"""

from __future__ import annotations

import pytest

from pilothouse.encoding.types import TYPES

from .clients import ALL, CLIENTS
from .connection import Connection
from .toy_world import CDS, FURTHER, LDS, ToyWorld


@pytest.fixture
def world() -> ToyWorld:
    world = ToyWorld()
    world.change([(CDS, "a", "1"), (LDS, "l", "1"), (FURTHER, "x", "1"), (FURTHER, "y", "1")])
    return world


@pytest.fixture(params=CLIENTS)
def line(request: pytest.FixtureRequest, world: ToyWorld) -> Connection:
    """Everything settled, of a client as Envoy is."""
    line = Connection(CLIENTS[request.param](), world)
    for type, names in ((CDS, set()), (LDS, set()), (FURTHER, {"x", "none"})):
        line.first(type, names)
    line.settle()
    return line


def held(line: Connection) -> dict[str, str]:
    return line.client.held[FURTHER].texts


def again(line: Connection) -> None:
    """The stream breaks, and the client asks for what it had."""
    line.connect()
    for type in (CDS, LDS, FURTHER):
        line.first(type)
    line.settle()


def test_it_is_none_that_the_product_serves() -> None:
    assert FURTHER not in TYPES
    assert FURTHER.url not in {type.url for type in TYPES}


def test_what_is_named_is_sent_and_followed(line: Connection, world: ToyWorld) -> None:
    assert held(line) == {"x": "1"}
    line.changed(world.change([(FURTHER, "x", "2"), (FURTHER, "y", "2")]))
    line.settle()
    assert held(line) == {"x": "2"}
    line.ask(FURTHER, {"y"}, {"x"})
    line.settle()
    assert held(line) == {"y": "2"}


def test_a_client_that_comes_back_has_what_changed_meanwhile(line: Connection, world: ToyWorld) -> None:
    again(line)
    assert held(line) == {"x": "1"}
    world.change([(FURTHER, "x", "2"), (FURTHER, "none", "2"), (CDS, "a", "2")])
    again(line)
    assert held(line) == {"x": "2", "none": "2"}
    assert line.client.held[CDS].texts == {"a": "2"}


def test_everything_can_be_asked_for_and_survives_a_reconnect(line: Connection, world: ToyWorld) -> None:
    line.ask(FURTHER, {ALL}, set())
    line.settle()
    assert held(line) == {"x": "1", "y": "1"}
    world.change([(FURTHER, "y", "2")])
    again(line)
    assert held(line) == {"x": "1", "y": "2"}


def test_what_cannot_be_read_of_services_holds_nothing_of_it_back(line: Connection, world: ToyWorld) -> None:
    world.complete = False
    world.change([(FURTHER, "x", "2")])
    again(line)
    assert held(line) == {"x": "2"}


def test_it_waits_for_no_other_type(line: Connection, world: ToyWorld) -> None:
    line.drain(0)
    line.changed(world.change([(CDS, "b", "1"), (FURTHER, "x", "2")]))
    line.drain(2)
    assert [said.type for said in line.responses] == [CDS, FURTHER], "although the clusters are unanswered"


def test_its_removal_waits_for_no_other_type(line: Connection, world: ToyWorld) -> None:
    line.changed(world.change([(CDS, "a", "2"), (LDS, "l", "2"), (FURTHER, "x", None)]))
    line.settle(clock=False)
    assert "x" not in line.stream.subscriptions[FURTHER].held.sent
    if line.client.variant == "delta":
        assert held(line) == {}
