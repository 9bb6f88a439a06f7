"""What a transcript cannot show: versions, several streams, what a stream remembers, and what it costs."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from pilothouse.encoding.resources import Resource, Selection
from pilothouse.encoding.types import ResourceType

from .clients import CLIENTS, SotwClient
from .connection import Connection
from .reading import begun
from .toy_world import CDS, EDS, LDS, RDS, ToyWorld
from .transcript import Player

VARIANTS = pytest.mark.parametrize("variant", CLIENTS)
EVERYTHING = {CDS: (), EDS: ("a", "b"), LDS: (), RDS: ("r",)}


class CountingWorld(ToyWorld):
    """Counts what is looked up in it."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: Counter[str] = Counter()

    def get(self, type: ResourceType, name: str) -> Resource | None:
        self.looks[type.label] += 1
        return super().get(type, name)

    def selection(self, type: ResourceType) -> Selection:
        self.looks[f"all {type.label}"] += 1
        return super().selection(type)

    def chosen(self, type: ResourceType, names: frozenset[str]) -> Selection:
        self.looks[f"some {type.label}"] += 1
        return super().chosen(type, names)


def connected(variant: str, world: ToyWorld, names: dict = EVERYTHING) -> Connection:
    """A client that was sent everything and has acknowledged it."""
    line = Connection(CLIENTS[variant](), world)
    for type in names:
        line.first(type, set(names[type]))
    line.settle()
    return line


def version(line: Connection, type: ResourceType) -> str:
    return line.client.held[type].version


@VARIANTS
def test_streams_of_one_node_have_their_own_nonces_and_get_every_update(variant: str) -> None:
    """G-STREAMS R-SLOW"""
    world = ToyWorld()
    world.change([(EDS, "a", "1")])
    quick, slow = connected(variant, world), connected(variant, world)
    slow.room = 0
    for text in ("2", "3"):
        changes = world.change([(EDS, "a", text), (CDS, text, text)])
        for line in (quick, slow):
            line.changed(changes)
        quick.settle()
        assert quick.client.lacks(world) == {}
    assert slow.client.held[EDS].texts == {"a": "1"}
    slow.settle()
    assert slow.client.lacks(world) == {}


def test_the_version_changes_whenever_a_resource_of_its_type_does() -> None:
    """G-VERSION-CHG"""
    world = ToyWorld()
    world.change([(type, name, "1") for type, names in EVERYTHING.items() for name in names or "a"])
    line = connected("sotw", world)
    for type, name in ((CDS, "a"), (EDS, "a"), (LDS, "a"), (RDS, "r")):
        seen = {version(line, type)}
        for text in ("2", "3", "1"):
            line.changed(world.change([(type, name, text)]))
            line.settle()
            seen.add(version(line, type))
        assert len(seen) == 3, "equal content has an equal version, other content another"


def test_the_version_is_of_the_resources_and_not_of_the_stream() -> None:
    """G-VERSION-STABLE R-RESTART"""
    world = ToyWorld()
    world.change([(EDS, "a", "1"), (CDS, "a", "1"), (LDS, "l", "1"), (RDS, "r", "1")])
    old = connected("sotw", world)
    for changes in (
        [(EDS, "b", "1"), (CDS, "b", "1")],
        [(EDS, "a", "2"), (RDS, "r", "2")],
        [(CDS, "a", None)],
    ):
        old.changed(world.change(changes))
        old.settle()
    new = connected("sotw", world, {RDS: ("r",), LDS: (), EDS: ("b", "a"), CDS: ()})
    for type in (CDS, EDS, LDS, RDS):
        assert version(old, type) == version(new, type)


def test_the_version_of_one_delta_resource_changes_only_with_it() -> None:
    """D-VERSION-OTHER D-UPDATE"""
    world = ToyWorld()
    world.change([(EDS, "a", "1"), (EDS, "b", "1")])
    line = connected("delta", world)
    before = dict(line.client.held[EDS].versions)
    line.changed(world.change([(EDS, "a", "2")]))
    line.settle()
    after = line.client.held[EDS].versions
    assert after["b"] == before["b"]
    assert after["a"] != before["a"]


@VARIANTS
def test_a_rejection_is_remembered_until_a_response_is_accepted(variant: str) -> None:
    """N-1"""
    player = Player(variant)
    player.play("world EDS a=1\n > EDS a\n < EDS a=1\n > EDS nack")
    subscription = player.stream.subscriptions[EDS]
    assert (subscription.exchange.error, subscription.exchange.awaiting) == ("no", False)
    player.play("> EDS +b\n < EDS -b")
    assert subscription.exchange.error == "no", "a request that adds a name takes nothing back"
    player.play("> EDS ack\n world EDS a=2\n < EDS a=2")
    player.play("> EDS ack +c\n < EDS -c")
    assert subscription.exchange.error == ""
    player.play("> EDS ack\n > EDS nack")
    assert subscription.exchange.error == "no", "a second thought"


@VARIANTS
def test_what_is_not_accepted_is_what_its_response_states(variant: str) -> None:
    """N-1"""
    player = Player(variant)
    player.play("world EDS a=1 b=1\n > EDS a b\n < EDS a=1 b=1")
    exchange = player.stream.subscriptions[EDS].exchange
    assert exchange.unproven == {"a", "b"}
    player.play("> EDS ack")
    assert exchange.unproven == ()
    player.play("world EDS a=2\n < EDS a=2")
    assert exchange.unproven == {"a"}
    player.play("> EDS nack")
    assert exchange.unproven == {"a"}
    player.play("world EDS a=1\n < EDS a=1")
    assert exchange.unproven == (), "it had accepted this before"


@VARIANTS
def test_a_rejection_without_a_reason_is_one_too(variant: str) -> None:
    """N-1"""
    line = Connection(CLIENTS[variant](), ToyWorld())
    line.first(CDS)
    request = line.client.Request(response_nonce=line.deliver().nonce)
    request.error_detail.SetInParent()
    line.send(CDS, request)
    assert line.stream.subscriptions[CDS].exchange.error == "no reason given"


def test_an_empty_request_accepts_nothing() -> None:
    """On the service of one type it leaves nothing subscribed to, also while responses are on their way."""
    world = ToyWorld()
    world.change([(EDS, "a", "1")])
    line = Connection(SotwClient(), world)
    line.first(EDS, {"a"})
    line.stream.receive(EDS, line.client.Request(response_nonce="crossed"), line.now)
    assert line.stream.acknowledge(b"", line.now) is None


@VARIANTS
def test_a_mere_acceptance_is_recognised_without_decoding_it(variant: str) -> None:
    """The bytes are those that Envoy sends; whatever else a request says, it has to be decoded."""
    world = ToyWorld()
    world.change([(EDS, "a", "1"), (EDS, "b", "1")])
    line = Connection(CLIENTS[variant](), world)
    line.first(EDS, {"a", "b"})
    ack = line.client.answer(line.client.take(line.responses[0], accept=True))
    others = [line.client.Request(), line.client.Request.FromString(ack.SerializeToString())]
    others[1].error_detail.message = "no"
    others += [line.client.ask(EDS, {"c"}, set()), line.client.ask(EDS, set(), {"c", "a"})]
    for request in others:
        if variant == "delta":
            request.response_nonce = ack.response_nonce
        assert line.stream.acknowledge(request.SerializeToString(), 0.0) is None
    assert line.stream.acknowledge(ack.SerializeToString()[:-1] + b"9", 0.0) is None
    assert line.stream.subscriptions[EDS].exchange.awaiting
    assert line.stream.acknowledge(ack.SerializeToString(), 0.0) is EDS
    assert not line.stream.subscriptions[EDS].exchange.awaiting
    assert line.stream.acknowledge(ack.SerializeToString(), 0.0) is None


@VARIANTS
def test_a_slow_client_costs_a_set_of_names(variant: str) -> None:
    """N-4 N-5"""
    world = ToyWorld()
    world.change([(EDS, "a", "0"), (EDS, "b", "0")])
    line = connected(variant, world)
    line.room = 1
    for edition in range(100):
        line.changed(world.change([(EDS, "ab"[edition % 2], str(edition))]))
    assert line.stream.subscriptions[EDS].agenda.dirty == {"a", "b"}
    assert len(line.responses) == 1
    line.deliver()
    line.room = 1
    line.answer()
    assert line.deliver().texts == {"a": "98", "b": "99"}


def test_state_of_the_world_streams_share_what_they_were_sent() -> None:
    world = ToyWorld()
    world.change([(CDS, "a", "1"), (LDS, "l", "1")])
    one, other = connected("sotw", world), connected("sotw", world)
    changes = world.change([(CDS, "b", "1")])
    for line in (one, other):
        line.changed(changes)
        line.settle()
    for type in (CDS, LDS):
        assert one.stream.subscriptions[type].held.sent is other.stream.subscriptions[type].held.sent


@VARIANTS
def test_a_change_costs_a_look_at_what_changed(variant: str) -> None:
    world = CountingWorld()
    names = [str(number) for number in range(1000)]
    world.change([(type, name, "1") for type in (CDS, EDS) for name in names])
    line = connected(variant, world, {CDS: (), EDS: names, LDS: (), RDS: ("r",)})
    world.looks.clear()
    line.changed(world.change([(EDS, "7", "2"), (RDS, "other", "1")]))
    line.settle()
    assert world.looks == {"EDS": 1}
    world.looks.clear()
    line.changed(world.change([(CDS, "7", "2")]))
    line.settle()
    assert world.looks == {"CDS": 1, "EDS": 1} | ({"all CDS": 1} if variant == "sotw" else {})
    world.looks.clear()
    assert not line.stream.notify({RDS: frozenset({"other"})}), "nothing that is worth a look"
    assert line.stream.notify({RDS: frozenset({"other", "r"})})


@VARIANTS
def test_clients_that_connect_cost_a_look_at_what_they_share(variant: str) -> None:
    world = CountingWorld()
    world.change([(type, name, "1") for type, names in EVERYTHING.items() for name in names or "a"])
    one, other = connected(variant, world), connected(variant, world)
    assert not world.looks.keys() & {type.label for type in (CDS, EDS, LDS, RDS)}
    for type in (CDS, EDS, LDS, RDS):
        assert one.stream.subscriptions[type].held.sent is other.stream.subscriptions[type].held.sent
    one.connect()
    for type in (CDS, EDS, LDS, RDS):
        one.first(type)
    one.settle()
    assert one.nonces == {}, "nothing that it does not have"
    assert not world.looks.keys() & {type.label for type in (CDS, EDS, LDS, RDS)}


@VARIANTS
def test_a_stream_that_was_asked_nothing_says_nothing(variant: str) -> None:
    stream: Any = begun(variant)
    assert stream.notify({CDS: frozenset("a")}) is False
    assert stream.poll(ToyWorld(), 0.0) is None
    assert stream.wake_at is None


@VARIANTS
def test_to_a_client_that_knows_no_legacy_wildcard_no_names_are_nothing(variant: str) -> None:
    """N-17"""
    world = ToyWorld()
    world.change([(CDS, "a", "1"), (CDS, "b", "1")])
    line = Connection(CLIENTS[variant](), world)
    line.stream.legacy = False
    line.send(CDS, line.client.Request())
    line.changed(world.change([(CDS, "a", "2")]))
    assert not line.responses
    line.first(CDS, {"a"})
    assert line.deliver().texts == {"a": "2"}


def test_a_claim_counts_only_while_the_stream_has_said_nothing() -> None:
    """S-RECONN-NEW: of two requests before a response, the version belongs to the names of the last."""
    world = ToyWorld()
    world.change([(CDS, "a", "1"), (CDS, "b", "1")])
    line = connected("sotw", world, {CDS: ()})
    client: Any = line.client
    line.connect()
    line.room = 0
    line.first(CDS)
    line.ask(CDS, {"a"}, set())
    line.settle()
    assert client.held[CDS].texts == {"a": "1", "b": "1"}
    assert line.nonces, "a name that joins the wildcard is sent"
