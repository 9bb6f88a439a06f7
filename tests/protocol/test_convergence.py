"""A client that keeps answering ends up with the world, however everything interleaves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pilothouse.encoding.types import ResourceType

from .clients import CLIENTS
from .connection import MANY, Connection
from .profile import PROFILE
from .toy_world import ToyWorld
from .universe import ASKED, CHANGES, NAMES, TYPES, Changed


class Conversation(RuleBasedStateMachine):
    """One client, of one variant, on one stream after another."""

    def __init__(self, variant: str) -> None:
        super().__init__()
        self.world = ToyWorld()
        self.line = Connection(CLIENTS[variant](), self.world)
        self.held = self.line.client.held

    @rule(changes=CHANGES)
    def the_world_changes(self, changes: Changed) -> None:
        self.line.changed(self.world.change(changes))

    @initialize(changes=CHANGES, everything=st.sampled_from([None, frozenset(), frozenset("*al")]))
    def it_begins(self, changes: Changed, everything: frozenset[str] | None) -> None:
        """Clients begin like Envoy, like Envoy with names on demand, or in any way."""
        self.world.change(changes)
        if everything is not None:
            for type in NAMES:
                self.line.first(type, everything if type.full_state else set(NAMES[type]))
            self.line.settle()

    @rule(asked=ASKED)
    def the_client_subscribes(self, asked: tuple[ResourceType, set[str]]) -> None:
        type, names = asked
        if self.held[type].begun:
            self.line.ask(type, names, set())
        else:
            self.line.first(type, names)

    @rule(asked=ASKED)
    def the_client_unsubscribes(self, asked: tuple[ResourceType, set[str]]) -> None:
        type, names = asked
        if self.held[type].begun:
            self.line.ask(type, set(), names)

    @rule(asked=ASKED, other=ASKED)
    def the_client_swaps(
        self, asked: tuple[ResourceType, set[str]], other: tuple[ResourceType, set[str]]
    ) -> None:
        type, names = asked
        if self.held[type].begun:
            self.line.ask(type, names, other[1] - names)

    @precondition(lambda self: self.line.responses)
    @rule(accept=st.booleans())
    def a_response_arrives(self, accept: bool) -> None:
        self.line.deliver(accept)

    @precondition(lambda self: self.line.answers)
    @rule()
    def an_answer_arrives(self) -> None:
        self.line.answer()

    @rule(type=TYPES)
    def the_client_repeats_itself(self, type: ResourceType) -> None:
        if self.held[type].begun:
            self.line.ask(type, set(), set())

    @rule(seconds=st.sampled_from([0.1, 0.25, 1.0, 3.0, 6.0]))
    def time_passes(self, seconds: float) -> None:
        self.line.wait(seconds)

    @rule()
    def the_client_is_reminded(self) -> None:
        self.line.remind()

    @rule(room=st.sampled_from([0, 1, 2, MANY]))
    def the_wire_fills_or_drains(self, room: int) -> None:
        self.line.drain(room)

    @rule(fresh=st.booleans())
    def the_client_reconnects(self, fresh: bool) -> None:
        if fresh:
            self.line.client = type(self.line.client)()
            self.held = self.line.client.held
        self.line.connect()
        for kind in NAMES:
            if self.held[kind].names:
                self.line.first(kind)

    @rule()
    def everything_settles(self) -> None:
        self.line.settle()
        assert self.line.client.lacks(self.world) == {}

    @invariant()
    def a_stream_holds_no_more_than_its_client(self) -> None:
        for kind, subscription in self.line.stream.subscriptions.items():
            unwanted = [name for name in subscription.held.sent if not subscription.interest.wants(name)]
            assert unwanted == [], kind

    def teardown(self) -> None:
        self.everything_settles()


@pytest.mark.parametrize("variant", CLIENTS)
def test_a_client_that_keeps_answering_ends_up_with_the_world(variant: str) -> None:
    machine: Any = lambda: Conversation(variant)  # noqa: E731  (a factory will do)
    run_state_machine_as_test(machine, settings=PROFILE)
