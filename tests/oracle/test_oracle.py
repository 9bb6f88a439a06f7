"""Whatever happens to registries, clients and processes: every client ends with a fresh translation.

Over the real registry, catalogue, world and stream machine, in State of the World and Delta.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pilothouse.mesh.audience import Audience
from pilothouse.model.services import Service, ServiceName
from pilothouse.protocol.ordering import RELEASE_S

from ..protocol.clients import CLIENTS
from ..protocol.connection import MANY
from ..protocol.profile import PROFILE
from ..protocol.toy_world import CDS, LDS
from .plane import NAMES, Line, Plane
from .towns import AUDIENCES, DRAFTS, SOURCES, TWINS, Draft
from .towns import NAMES as SERVICES

_ASKED = st.sampled_from([*NAMES]).flatmap(
    lambda type: st.tuples(st.just(type), st.sets(st.sampled_from(NAMES[type]), max_size=3))
)

_REPORTS = st.dictionaries(st.sampled_from(SERVICES), DRAFTS, max_size=3)


class Mesh(RuleBasedStateMachine):
    """One control plane after another, two sources, and for some audiences a client of each variant."""

    wild: bool  # whether Envoys ask for all clusters and listeners, or name them

    def __init__(self) -> None:
        super().__init__()
        self.plane = Plane()
        self.said: dict[str, dict[ServiceName, Draft]] = {source: {} for source in SOURCES}
        self.admitted: dict[ServiceName, Service] = {}
        self.lines: list[Line] = []
        self.swayed: set[Line] = set()  # that did not ask for everything and accept it

    @initialize(audience=st.sampled_from(AUDIENCES), twin=st.sampled_from(TWINS), drafts=_REPORTS)
    def clients_come(self, audience: Audience, twin: dict, drafts: dict) -> None:
        self.a_source_reports_everything(SOURCES[0], drafts)
        for served in (audience, replace(audience, **twin)):
            self.lines += [Line(variant, self.plane, served) for variant in CLIENTS]
        for line in self.lines:
            self._ask_for_everything(line)

    @rule(source=st.sampled_from(SOURCES), name=st.sampled_from(SERVICES), draft=DRAFTS)
    def a_service_is_put(self, source: str, name: ServiceName, draft: Draft) -> None:
        self.said[source][name] = draft
        self.plane.shards[source].put(draft.named(name))
        self._publish()

    @rule(source=st.sampled_from(SOURCES), name=st.sampled_from(SERVICES))
    def a_service_is_removed(self, source: str, name: ServiceName) -> None:
        self.said[source].pop(name, None)
        self.plane.shards[source].remove(name)
        self._publish()

    @rule(source=st.sampled_from(SOURCES), drafts=_REPORTS)
    def a_source_reports_everything(self, source: str, drafts: dict) -> None:
        self.said[source] = dict(drafts)
        self.plane.shards[source].replace([draft.named(name) for name, draft in drafts.items()])
        self._publish()

    @rule(which=st.integers(0, 3), asked=_ASKED, dropped=st.booleans())
    def a_client_changes_its_mind(self, which: int, asked: tuple, dropped: bool) -> None:
        line, (type, names) = self._line(which), asked
        self.swayed.add(line)
        if not line.client.held[type].begun:
            if names:
                line.first(type, names)
        elif dropped:
            line.ask(type, set(), names)
        else:
            line.ask(type, names, set())

    @rule(which=st.integers(0, 3), accept=st.integers(0, 9))
    def a_response_arrives(self, which: int, accept: int) -> None:
        line = self._line(which)
        if line.responses:
            line.deliver(accept > 0)
            if not accept:
                self.swayed.add(line)

    @rule(which=st.integers(0, 3))
    def an_answer_arrives(self, which: int) -> None:
        line = self._line(which)
        if line.answers:
            line.answer()

    @rule(which=st.integers(0, 3), seconds=st.sampled_from([0.1, 1.0, 6.0]))
    def time_passes(self, which: int, seconds: float) -> None:
        self._line(which).wait(seconds)

    @rule(which=st.integers(0, 3), room=st.sampled_from([0, 1, MANY]))
    def a_wire_fills_or_drains(self, which: int, room: int) -> None:
        self._line(which).drain(room)

    @rule(which=st.integers(0, 3))
    def a_client_comes_back(self, which: int) -> None:
        self._line(which).resume()

    @rule(fresh=st.booleans())
    def all_clients_come_back_at_once(self, fresh: bool) -> None:
        """Those that begin anew share what they ask for; those that have everything are sent nothing."""
        self.everything_settles()
        for line in self.lines:
            if fresh:
                line.client = CLIENTS[line.client.variant]()
                line.connect()
                self._ask_for_everything(line)
                self.swayed.discard(line)
            else:
                line.resume()
        for line in self.lines if not fresh else ():
            line.wait(RELEASE_S)
            proves = self.wild or line.client.variant == "delta"  # decision 0005
            assert line in self.swayed or not proves or not line.sent_again, line.view.audience

    @rule()
    def the_control_plane_starts_anew(self) -> None:
        """What it had admitted and is no more admitted is gone: there is no state but the sources'."""
        self.plane = Plane()
        for source, drafts in self.said.items():
            self.plane.shards[source].replace([draft.named(name) for name, draft in drafts.items()])
        self.admitted = {}
        self._publish()
        for line in self.lines:
            line.moved(self.plane)

    @precondition(lambda self: self.lines)
    @rule()
    def everything_settles(self) -> None:
        for line in self.lines:
            assert line.differs(self.admitted) == {}, (line.client.variant, line.view.audience)

    def teardown(self) -> None:
        self.everything_settles()

    def _line(self, which: int) -> Line:
        return self.lines[which % len(self.lines)]

    def _ask_for_everything(self, line: Line) -> None:
        """As Envoy does, which has no wildcard for endpoints and routes; a gRPC client has none at all."""
        for type in NAMES:
            wild = self.wild and line.stream.legacy and type in (CDS, LDS)
            line.first(type, frozenset() if wild else frozenset(NAMES[type]))

    def _publish(self) -> None:
        changes = self.plane.publish()
        merged: dict[ServiceName, Draft] = {**self.said["far"], **self.said["near"]}
        for name in SERVICES:
            if name not in merged:
                self.admitted.pop(name, None)
            elif not merged[name].poisoned:
                self.admitted[name] = merged[name].named(name)
            elif name in self.admitted:  # its last good version stays, with the endpoints that there are now
                endpoints = merged[name].named(name).endpoints
                self.admitted[name] = replace(self.admitted[name], endpoints=endpoints)
        for line in self.lines:
            line.told_of(changes)


class Wild(Mesh):
    """Its Envoys ask for everything."""

    wild = True


class Naming(Mesh):
    """Its Envoys name what they want."""

    wild = False


# Two tests with half of the examples each, which two processes can share.
@pytest.mark.parametrize("mesh", [Wild, Naming])
def test_every_client_ends_with_a_fresh_translation(mesh: type[Mesh]) -> None:
    run_state_machine_as_test(mesh, settings=settings(PROFILE, max_examples=PROFILE.max_examples // 2))
