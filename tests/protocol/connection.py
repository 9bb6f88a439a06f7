"""A client on a stream, responses and answers under way between them, and what must hold all the time."""

from __future__ import annotations

from collections import deque
from typing import Any

from pilothouse.encoding.types import Changes, ResourceType

from .clients import ALL, Answer, DeltaClient, SotwClient
from .reading import Reader, Said, begun, receive
from .toy_world import CDS, EDS, ToyWorld

#: More steps than any client that answers needs until nothing is under way.
MANY = 200


class Connection:
    """The stream is polled as by a session: after something happened, and while it can be written to."""

    def __init__(self, client: SotwClient | DeltaClient, world: ToyWorld) -> None:
        self.client, self.world = client, world
        self.now = 100.0
        self.room = MANY
        self.connect()

    def connect(self) -> None:
        """A new stream; what was under way is lost."""
        self.stream: Any = begun(self.client.variant)
        self.reader = Reader(self.client.variant, self.world.opened)
        self.responses: deque[Said] = deque()
        self.answers: deque[Answer] = deque()
        self.awake = False
        self.nonces: dict[ResourceType, str] = {}  # last sent
        self.told: dict[ResourceType, set[str]] = {}  # what the server was asked for
        self.unanswered: set[ResourceType] = set()
        self.asked: set[ResourceType] = set()  # since the last response
        self.lapsed: set[ResourceType] = set()  # to be sent again
        self.client.reconnect()

    def first(self, type: ResourceType, names: set[str] | frozenset[str] = frozenset()) -> None:
        self.send(type, self.client.first(type, names))

    def ask(self, type: ResourceType, added: set[str], dropped: set[str]) -> None:
        if self.client.variant == "delta" and ALL in added:
            # What was just unsubscribed and is still under way would pass for a part of the wildcard, and in
            # Delta nothing says which responses knew of a subscription.
            while self.responses:
                self.deliver()
        self.send(type, self.client.ask(type, added, dropped))

    def send(self, type: ResourceType, request: Any) -> None:
        """A request reaches the server."""
        current = request.response_nonce == self.nonces.get(type, "")
        if self.client.variant == "delta" or current:
            self.told[type] = set(self.client.held[type].names)
            self.asked.add(type)
        if current:
            self.unanswered.discard(type)
            self.lapsed.discard(type)
        receive(self.stream, type, request, self.now)
        self.awake = True
        self.serve()

    def changed(self, changes: Changes) -> None:
        self.awake |= self.stream.notify(changes)
        self.serve()

    def wait(self, seconds: float) -> None:
        self.now += seconds
        wake_at = self.stream.wake_at
        self.awake |= wake_at is not None and wake_at <= self.now
        self.serve()

    def serve(self) -> None:
        """All that the server has to say now, as long as there is room for it on the wire."""
        while self.awake and self.room:
            response = self.stream.poll(self.world, self.now)
            if response is None:
                self.awake = False
                assert self.stream.wake_at is None or self.stream.wake_at > self.now, "polled without end"
                assert self.stream.poll(self.world, self.now) is None, "silence is not final"
            else:
                self._sent(self.reader.read(response))

    def _sent(self, said: Said) -> None:
        self.room -= 1
        type, told = said.type, self.told.get(said.type, set())
        unasked = [name for name in (*said.texts, *said.removed) if ALL not in told and name not in told]
        assert not unasked, f"nobody asked for {type.label} {unasked}"
        if type in self.lapsed:
            self.lapsed.discard(type)
        elif type in self.unanswered:
            assert self.client.variant == "delta", f"a second unanswered response of {type.label}"
            assert type in self.asked, f"a second unanswered response of {type.label}, unasked"
        self.unanswered.add(type)
        self.asked.discard(type)
        if type is CDS:
            self.asked.add(EDS)  # they have to be stated again for clusters that changed
        self.nonces[type] = said.nonce
        self.responses.append(said)

    def remind(self) -> None:
        """The client has not answered for long."""
        self.awake |= self.stream.remind(self.now)
        self.lapsed = {type for type, each in self.stream.subscriptions.items() if each.exchange.lapsed}
        self.serve()

    def drain(self, room: int) -> None:
        """So many responses can be written from now on."""
        self.room = room
        self.serve()

    def deliver(self, accept: bool = True) -> Said:
        """The next response reaches the client."""
        said = self.responses.popleft()
        self.answers.append(self.client.take(said, accept))
        return said

    def answer(self) -> None:
        """The next answer reaches the server."""
        answer = self.answers.popleft()
        self.send(answer.type, self.client.answer(answer))

    def settle(self, clock: bool = True) -> None:
        """Let the client accept and answer everything, until nothing is under way."""
        self.drain(MANY)
        for _ in range(MANY):
            if self.responses:
                self.deliver()
            elif self.answers:
                self.answer()
            elif self.stream.wake_at is not None and clock:
                self.wait(self.stream.wake_at - self.now)
            else:
                return
        raise AssertionError("client and server do not come to rest")
