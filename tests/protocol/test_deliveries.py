"""What a subscription was told of is confirmed by its answer, or withdrawn when nothing is left to tell."""

from __future__ import annotations

import pytest

from pilothouse.encoding.types import ResourceType
from pilothouse.structures.delivery import Delivery

from .clients import CLIENTS
from .connection import Connection
from .toy_world import CDS, EDS, LDS, ToyWorld

VARIANTS = pytest.mark.parametrize("variant", CLIENTS)


@pytest.fixture
def world() -> ToyWorld:
    world = ToyWorld()
    world.change([(type, name, "1") for type in (CDS, EDS) for name in "ab"] + [(LDS, "l", "1")])
    return world


def tell(line: Connection, world: ToyWorld, type: ResourceType, name: str, text: str | None) -> Delivery:
    """Tell the stream, and nobody else, of a change."""
    delivery = Delivery(lambda _: None)
    line.awake |= line.stream.notify(world.change([(type, name, text)]), delivery)
    delivery.told_all()
    line.serve()
    return delivery


def connected(variant: str, world: ToyWorld, *types: ResourceType) -> Connection:
    """A client that named `a` and `b` of each type, and has acknowledged them."""
    line = Connection(CLIENTS[variant](), world)
    for type in types:
        line.first(type, {"a", "b"})
    line.settle()
    return line


@VARIANTS
def test_a_removal_that_waits_is_withdrawn_when_the_client_asks_for_it_no_more(
    variant: str, world: ToyWorld
) -> None:
    line = connected(variant, world, CDS)
    line.first(LDS)  # while this is unanswered, no cluster is taken away
    told = tell(line, world, CDS, "a", None)
    assert told.unconfirmed == 1
    line.ask(CDS, set(), {"a"})
    assert (told.unconfirmed, told.confirmed_at) == (0, None)


@VARIANTS
def test_a_removal_that_waits_is_still_told_of_after_another_name_is_given_up(
    variant: str, world: ToyWorld
) -> None:
    line = connected(variant, world, CDS)
    line.first(LDS)
    told = tell(line, world, CDS, "a", None)
    line.ask(CDS, set(), {"b"})
    assert told.unconfirmed == 1
    line.settle()
    assert (told.unconfirmed, told.confirmed_at) == (0, line.now)


@VARIANTS
def test_a_change_of_a_name_that_is_given_up_before_it_is_sent_is_withdrawn(
    variant: str, world: ToyWorld
) -> None:
    line = connected(variant, world, EDS)
    sent = tell(line, world, EDS, "a", "2")
    told = tell(line, world, EDS, "a", "3")
    line.deliver()
    line.ask(EDS, set(), {"a"})
    line.settle()
    assert (sent.unconfirmed, told.unconfirmed, told.confirmed_at) == (0, 0, None)
    assert sent.confirmed_at == line.now


@VARIANTS
def test_what_was_sent_is_confirmed_although_its_name_was_given_up_meanwhile(
    variant: str, world: ToyWorld
) -> None:
    line = connected(variant, world, EDS)
    sent = tell(line, world, EDS, "a", "2")
    line.deliver()
    line.ask(EDS, set(), {"a"})
    line.answer()
    assert (sent.unconfirmed, sent.confirmed_at) == (0, line.now)


@VARIANTS
def test_nobody_waits_for_a_stream_that_has_ended(variant: str, world: ToyWorld) -> None:
    line = connected(variant, world, EDS)
    sent, noted = (tell(line, world, EDS, "a", text) for text in "23")
    line.stream.end()
    assert (sent.unconfirmed, noted.unconfirmed) == (0, 0)
    assert sent.confirmed_at is noted.confirmed_at is None


@VARIANTS
def test_a_response_is_of_the_revision_in_which_it_is_made_and_so_is_its_acknowledgement(
    variant: str, world: ToyWorld
) -> None:
    world.revision = 7
    line = connected(variant, world, EDS)
    held = line.stream.subscriptions[EDS]
    assert (held.exchange.revision, held.exchange.accepted_revision, held.lacking) == (7, 7, ())
    world.revision = 8
    first = tell(line, world, EDS, "a", "2")
    world.revision = 9
    second = tell(line, world, EDS, "a", "3")
    assert (held.exchange.revision, held.exchange.accepted_revision) == (8, 7)
    assert held.lacking == (first, second), "one is in flight, the other waits for its answer"
    line.settle()
    assert (held.exchange.revision, held.exchange.accepted_revision, held.lacking) == (9, 9, ())


@VARIANTS
def test_a_change_of_which_a_client_wants_nothing_is_none_that_it_lacks(
    variant: str, world: ToyWorld
) -> None:
    line = connected(variant, world, EDS)
    tell(line, world, EDS, "c", "1")
    assert line.stream.subscriptions[EDS].lacking == ()


@VARIANTS
def test_what_is_rejected_is_not_of_an_acknowledged_revision(variant: str, world: ToyWorld) -> None:
    world.revision = 7
    line = connected(variant, world, EDS)
    world.revision = 8
    tell(line, world, EDS, "a", "2")
    line.deliver(accept=False)
    line.settle()
    exchange = line.stream.subscriptions[EDS].exchange
    assert (exchange.revision, exchange.accepted_revision) == (8, 7)
