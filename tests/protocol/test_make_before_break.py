"""O-ENVOY, O-REF: a client like Envoy ends with everything, and has no route to a cluster that it lacks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from .clients import CLIENTS
from .connection import MANY
from .profile import PROFILE
from .sidecar import ROUTES, Sidecar
from .toy_world import CDS, EDS, LDS, RDS, ToyWorld

SERVICES = st.frozensets(st.sampled_from("abcd"), max_size=4)


class Mesh(RuleBasedStateMachine):
    """Services that come, change and go: each is a cluster, its endpoints, a listener and a route."""

    def __init__(self, variant: str) -> None:
        super().__init__()
        self.variant = variant
        self.world = ToyWorld()
        self.edition = 0
        self.world.change([(LDS, "egress", "1"), *self.stated(frozenset("ab"))])
        self.sidecar = Sidecar(variant, self.world)

    def stated(self, services: frozenset[str]) -> list[tuple]:
        """Exactly these services; those that there are already stay as they are."""
        now = self.world.texts[CDS].keys()
        texts: list[tuple] = []
        for service in services - now:
            texts += [(CDS, service, "1"), (EDS, service, "1"), (LDS, service, "1")]
        for service in now - services:
            texts += [(CDS, service, None), (EDS, service, None), (LDS, service, None)]
        return [*texts, (RDS, ROUTES, " ".join(["1", *sorted(services)]))]

    def revised(self, type, names) -> list[tuple]:
        self.edition += 1
        return [(type, name, str(self.edition)) for name in names if name in self.world.texts[type]]

    @initialize(rested=st.booleans())
    def it_starts(self, rested: bool) -> None:
        if rested:
            self.sidecar.rest()

    @rule(services=SERVICES)
    def services_come_and_go(self, services: frozenset[str]) -> None:
        self.sidecar.changed(self.world.change(self.stated(services)))

    @rule(services=SERVICES, changed=SERVICES)
    def services_come_and_change(self, services: frozenset[str], changed: frozenset[str]) -> None:
        self.sidecar.changed(
            self.world.change([*self.stated(services), *self.revised(CDS, changed & services)])
        )

    @rule(services=SERVICES)
    def clusters_change(self, services: frozenset[str]) -> None:
        self.sidecar.changed(self.world.change(self.revised(CDS, services)))

    @rule(services=SERVICES)
    def endpoints_change(self, services: frozenset[str]) -> None:
        self.sidecar.changed(self.world.change(self.revised(EDS, services)))

    @rule(services=SERVICES)
    def listeners_change(self, services: frozenset[str]) -> None:
        self.sidecar.changed(self.world.change(self.revised(LDS, [*services, "egress"])))

    @precondition(lambda self: self.sidecar.responses)
    @rule()
    def a_response_arrives(self) -> None:
        self.sidecar.deliver()

    @precondition(lambda self: self.sidecar.ready())
    @rule(data=st.data())
    def an_answer_arrives(self, data: st.DataObject) -> None:
        self.sidecar.reply(data.draw(st.sampled_from(self.sidecar.ready())))

    @rule(room=st.sampled_from([0, 1, 2, MANY]))
    def the_wire_fills_or_drains(self, room: int) -> None:
        self.sidecar.drain(room)

    @rule(fresh=st.booleans())
    def the_sidecar_reconnects(self, fresh: bool) -> None:
        if fresh:
            self.sidecar = Sidecar(self.variant, self.world)
        else:
            self.sidecar.connect()

    @rule()
    def everything_rests(self) -> None:
        self.sidecar.rest()

    def teardown(self) -> None:
        self.everything_rests()


@pytest.mark.parametrize("variant", CLIENTS)
def test_a_sidecar_has_no_route_to_a_cluster_that_it_lacks(variant: str) -> None:
    machine: Any = lambda: Mesh(variant)  # noqa: E731  (a factory will do)
    run_state_machine_as_test(machine, settings=PROFILE)
