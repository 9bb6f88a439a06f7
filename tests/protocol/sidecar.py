"""A client that behaves like Envoy, and what such a client must never see."""

from __future__ import annotations

from pilothouse.encoding.types import ResourceType
from pilothouse.protocol.ordering import ARRIVE_S

from .clients import CLIENTS
from .connection import MANY, Connection
from .reading import Said
from .toy_world import CDS, EDS, LDS, RDS, TYPES, ToyWorld

ROUTES = "routes"


def leads_to(type: ResourceType, name: str, text: str) -> set[str]:
    """The clusters that a listener or a route configuration names: routes are written `1 a b`."""
    if type is RDS:
        return set(text.split()[1:])
    return {name} if name != "egress" else set()


class Sidecar(Connection):
    """Asks for the endpoints of all its clusters, acknowledges these when warm, and then asks for more."""

    def __init__(self, variant: str, world: ToyWorld) -> None:
        self.warming: set[str] = set()
        self.cold: set[str] = set()  # new, and without endpoints
        super().__init__(CLIENTS[variant](), world)

    def connect(self) -> None:
        super().connect()
        # The types of which the server knows what this client has: those it was sent on this stream, and in
        # Delta what it says when it comes back.
        known = self.client.variant == "delta" and self.client.held[CDS].texts
        self.known: set[ResourceType] = set(TYPES) if known else set()
        # One that warms anew uses the endpoints it has after 15 s, if it is sent none on this stream.
        self.warming &= self.cold
        for type in TYPES:
            held = self.client.held[type]
            held.dropped.clear()  # Envoy reports what it last accepted, whatever it dropped since
            if held.names or type is CDS:
                self.first(type)

    def deliver(self, accept: bool = True) -> Said:
        said = self.responses[0]
        before = {type: dict(held.texts) for type, held in self.client.held.items()}
        super().deliver(accept)
        after = self.client.held[said.type].texts
        if said.type is CDS:
            self._clusters(before[CDS], after)
        elif said.type is EDS:
            self._endpoints({*said.texts, *said.removed}, before[EDS].keys() - after.keys())
        elif said.type in self.known:
            new = self._refers(said.type, after) - self._refers(said.type, before[said.type])
            assert new <= self.client.held[CDS].texts.keys() - self.cold, f"{said.type.label} before {new}"
        self.known.add(said.type)
        return said

    def ready(self) -> list[ResourceType]:
        """The types of which a response can be answered now."""
        return [answer.type for answer in self.answers if answer.type is not CDS or not self.warming]

    def reply(self, type: ResourceType) -> None:
        """Answer the first response of a type; from there Envoy goes on to listeners, and to routes."""
        answer = next(answer for answer in self.answers if answer.type is type)
        self.answers.remove(answer)
        self.send(type, self.client.answer(answer))
        if type is CDS and not self.client.held[LDS].begun:
            self.first(LDS)
        if type is LDS and not self.client.held[RDS].begun:
            self.first(RDS, {ROUTES})

    def rest(self) -> None:
        """Let it answer everything. It must come to rest without a look at the clock, once it has arrived."""
        self.drain(MANY)
        if self.stream.wake_at is not None and LDS not in self.stream.subscriptions:
            self.wait(ARRIVE_S)
        for _ in range(MANY):
            if self.responses:
                self.deliver()
            elif self.ready():
                self.reply(self.ready()[0])
            else:
                break
        assert not self.responses
        assert not self.warming, "clusters that warm until a time-out"
        assert not self.cold
        assert not self.answers
        assert self.stream.wake_at is None, "something waits for nothing"
        assert self.client.held[EDS].texts.keys() == self.client.held[CDS].texts.keys()
        assert self.client.lacks(self.world) == {}

    def _clusters(self, before: dict[str, str], after: dict[str, str]) -> None:
        changed = {name for name, text in after.items() if before.get(name) != text}
        gone = before.keys() - after.keys()
        if CDS in self.known:
            assert not gone & self._referred(), "a cluster is gone before the routes to it"
        self.warming = (self.warming | changed) - gone
        self.cold = (self.cold | (changed - before.keys())) - gone
        names = self.client.held[EDS].names
        if not self.client.held[EDS].begun and after:
            self.first(EDS, set(after))
        elif self.client.held[EDS].begun and (
            after.keys() != names or (changed and self.client.variant == "sotw")
        ):
            self.ask(EDS, after.keys() - names, names - after.keys())

    def _endpoints(self, stated: set[str], gone: set[str]) -> None:
        if EDS in self.known:
            assert not gone & self._referred(), "endpoints are gone before the routes to them"
        self.warming -= stated
        self.cold -= stated

    def _referred(self) -> set[str]:
        return self._refers(LDS, self.client.held[LDS].texts) | self._refers(RDS, self.client.held[RDS].texts)

    def _refers(self, type: ResourceType, texts: dict[str, str]) -> set[str]:
        return {cluster for name, text in texts.items() for cluster in leads_to(type, name, text)}
