"""The state machine of one stream: what may be sent and in which order. Both variants share it.

A codec knows one variant: what its requests mean, and how a response is encoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Literal, NamedTuple, Protocol, TypeVar

from pilothouse._pb.envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DiscoveryRequest
from pilothouse.encoding.resources import Selection
from pilothouse.encoding.types import TYPES, Changes, ResourceType, turns
from pilothouse.protocol.difference import Difference
from pilothouse.protocol.interest import Names
from pilothouse.protocol.ordering import Ordering, Subscriptions
from pilothouse.protocol.subscription import Subscription
from pilothouse.serving.world import World
from pilothouse.structures.delivery import Delivery

R = TypeVar("R", DiscoveryRequest, DeltaDiscoveryRequest)


class Response(NamedTuple):
    """An encoded response and its type."""

    type: ResourceType
    data: bytes


class Codec(Protocol[R]):
    """A variant of the protocol. It is stateless; the stream passes its own state to each method."""

    variant: Literal["sotw", "delta"]
    Request: type[R]
    #: Whether a request is answered even while the client has not answered the last response.
    answers_early: bool
    #: Whether a reconnecting client lists the version of each resource that it has.
    lists_holdings: bool

    def asked(self, request: R) -> Names:
        """The names in a request. Raises Excess."""
        ...

    def check(self, request: R) -> None:
        """Raise Excess if anything but the names exceeds a limit."""
        ...

    def first(self, type: ResourceType, request: R, asked: Names, legacy: bool) -> Subscription:
        """The subscription that the first request of a type opens.

        With `legacy`, a request without names may ask for everything.
        """
        ...

    def follow(self, subscription: Subscription, request: R, asked: Names, answers: bool) -> None:
        """Update the subscription with a later request. `answers`: it has the last response's nonce.

        Raises Excess.
        """
        ...

    def proven(self, subscription: Subscription, all: Subscriptions, world: World) -> Selection | None:
        """The current state, if the client's report proves that the client has it. Otherwise None."""
        ...

    def unfound(self, type: ResourceType, difference: Difference) -> list[str]:
        """The names that a response has to state as missing."""
        ...

    def response(
        self,
        subscription: Subscription,
        difference: Difference,
        all: Subscriptions,
        world: World,
        number: int,
    ) -> bytes | None:
        """Encode the response with this number and note it as sent. None if there is nothing to say."""
        ...


class Stream(Generic[R]):
    """One stream, with one type of resources or, with ADS, several."""

    __slots__ = (
        "_ordering",
        "_read",
        "_responses",
        "_turns",
        "_types",
        "client",
        "codec",
        "legacy",
        "subscriptions",
    )

    def __init__(self, codec: Codec[R], types: tuple[ResourceType, ...] = TYPES) -> None:
        self.codec: Codec[R] = codec
        #: Whether a first request without names asks for everything. A gRPC client's does not (gRFC A27).
        self.legacy = True
        #: Who confirms deliveries, by name.
        self.client = ""
        self.subscriptions: dict[ResourceType, Subscription] = {}
        self._types = types
        self._turns: tuple[Subscription, ...] = ()
        self._ordering = Ordering()
        self._responses = 0
        self._read = 0  # the number of the last response that the client has surely read

    @property
    def wake_at(self) -> float | None:
        """When to poll again even if nothing happens, in seconds of the clock given to `poll`."""
        return self._ordering.wake_at

    def asked(self, request: R) -> Names:
        """The names in a request. Raises Excess.

        Parsing many names takes long. The result is shared, so it is fast again while somebody holds it.
        """
        return self.codec.asked(request)

    def receive(self, type: ResourceType, request: R, now: float) -> bool:
        """Process a request. Returns whether it answers the last response. Raises Excess."""
        asked = self.codec.asked(request)
        self.codec.check(request)
        subscription = self.subscriptions.get(type)
        if subscription is None:
            self._begin(self.codec.first(type, request, asked, self.legacy), now)
            return False
        answers = bool(request.response_nonce) and request.response_nonce == subscription.exchange.nonce
        if answers:
            subscription.exchange.answered(request, now)
            self._answered(subscription, now)
        self.codec.follow(subscription, request, asked, answers)
        if not subscription.stirring:
            subscription.settle()  # nothing is left to send, so no delivery waits for an answer
        return answers

    def _begin(self, subscription: Subscription, now: float) -> None:
        subscription.exchange.name(self.client, subscription.type.label)
        self.subscriptions[subscription.type] = subscription
        self._turns = tuple([self.subscriptions[t] for t in turns(self._types) if t in self.subscriptions])
        if self.codec.lists_holdings:
            self._ordering.begun(subscription, now)

    def acknowledge(self, data: bytes, now: float) -> ResourceType | None:
        """Process an encoded request without decoding it if it is a mere ACK. Returns its type, or None."""
        for type, subscription in self.subscriptions.items():
            exchange = subscription.exchange
            if exchange.accepted_by(data):
                exchange.accepted(now)
                self._answered(subscription, now)
                return type
        return None

    def _answered(self, subscription: Subscription, now: float) -> None:
        self._read = max(self._read, subscription.exchange.number)
        self._ordering.answered(subscription.type, now)

    @property
    def silent_since(self) -> float | None:
        """Since when the client has owed an answer without a sign that it reads. None if it owes none.

        A client that has answered what was sent later has read the other response, too, and takes its time on
        purpose: Envoy acknowledges clusters when they are warm.
        """
        return min((each.exchange.since for each in self._owing()), default=None)

    def remind(self, before: float) -> bool:
        """Send again, once, what the client has owed an answer to since this time, and may not have read.

        Returns whether there is anything.
        """
        owing = [each for each in self._owing() if each.exchange.since <= before]
        lapsing = [each for each in owing if not (each.exchange.repeated or each.exchange.lapsed)]
        for each in lapsing:
            each.remind()
        return bool(lapsing)

    def _owing(self) -> Iterator[Subscription]:
        for each in self.subscriptions.values():
            if each.exchange.awaiting and each.exchange.number > self._read:
                yield each

    def notify(self, changes: Changes, delivery: Delivery | None = None) -> bool:
        """Note what changed in the world. Returns whether there may be something to send.

        `delivery` is confirmed when the client has answered the response that carries its changes.
        """
        sendable = False
        for type, names in changes.items():
            subscription = self.subscriptions.get(type)
            # No short circuit: every subscription has to be notified.
            if subscription is not None and subscription.notify(names, delivery):
                sendable = True
        return sendable

    def release(self) -> bool:
        """Look again at what was withheld. Returns whether there may be something to send."""
        released = [subscription.release() for subscription in self.subscriptions.values()]
        return any(released)

    def end(self) -> None:
        """Note that the stream has ended."""
        for subscription in self.subscriptions.values():
            subscription.end()

    def preparing(self, world: World) -> Iterator[object]:
        """Prepare, in small steps, what would take the next poll long."""
        for subscription in self.subscriptions.values():
            yield from subscription.preparing(world)

    def poll(self, world: World, now: float) -> Response | None:
        """The next response to send. Call until it returns None."""
        self._ordering.wake_at = None
        for subscription in self._turns:  # most polls follow a write or an ACK and find nothing
            if subscription.stirring:
                response = self._turn(subscription, world, now)
                if response is not None:
                    return response
        return None

    def _turn(self, subscription: Subscription, world: World, now: float) -> Response | None:
        codec, ordering, all = self.codec, self._ordering, self.subscriptions
        if not self._may_speak(subscription, world) or not ordering.may_add(subscription, all, now):
            return None
        difference = subscription.difference(world, now)
        if subscription.held.gone_since:
            difference.gone = ordering.removable(subscription, all, now)
            difference.changed += subscription.kept(difference.gone)
        if difference.gone or difference.missing:
            difference.missing = codec.unfound(subscription.type, difference)
        ordering.sending(subscription, difference, all, now)
        again = subscription.exchange.awaiting
        data = codec.response(subscription, difference, all, world, self._responses + 1)
        if data is None:
            subscription.settle()
            return None
        difference.stated()
        self._responses += 1
        subscription.exchange.made(self._responses, now, again, world.revision)
        return Response(subscription.type, data)

    def _may_speak(self, subscription: Subscription, world: World) -> bool:
        """Whether a response of this type may be sent now, if the client lacks something."""
        report, exchange = subscription.report, subscription.exchange
        early = self.codec.answers_early and subscription.agenda.asked
        if exchange.awaiting and not (exchange.lapsed or early):
            return False
        if report.said and self._resumed(subscription, world):
            return False
        if report.unproven:
            if not world.complete:
                return False  # the client may have resources from a place that cannot be read now
            report.settle()
        return True

    def _resumed(self, subscription: Subscription, world: World) -> bool:
        """Whether a reconnecting client already has the current state. Then nothing is sent."""
        current = self.codec.proven(subscription, self.subscriptions, world)
        if current is None:
            return False
        subscription.report.prove()
        subscription.exchange.resumed(world.revision)
        subscription.held.restate(current)
        subscription.settle()
        return True
