"""State of the world: a request restates its subscription; of clusters and listeners, a response does too."""

from __future__ import annotations

from functools import lru_cache
from itertools import count
from typing import Literal

from pilothouse._pb.envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest
from pilothouse.encoding import wire
from pilothouse.encoding.resources import (
    VERSION_SIZE,
    Resource,
    emptied,
    fingerprint,
    sotw_body,
    version,
)
from pilothouse.encoding.types import TYPES, Changes, ResourceType, turns
from pilothouse.protocol.ordering import Ordering
from pilothouse.protocol.subscription import (
    LONGEST_VERSION,
    Difference,
    Excess,
    Names,
    Response,
    Subscription,
    end,
    named,
    notify,
    release,
)
from pilothouse.serving.world import World
from pilothouse.structures.delivery import Delivery

# Field numbers of DiscoveryResponse.
_VERSION_INFO, _TYPE_URL, _NONCE = 1, 4, 5

# Names of clusters are shorter, and no client waits for so many that are not there; and what is said of
# them has to fit into the 4 MiB that a gRPC client takes.
_LONGEST_AWAITED, _MOST_AWAITED = 512, 1000

TURNS = turns()


class SotwStream:
    """One stream of DiscoveryRequests, of one type or, with ADS, of several."""

    variant: Literal["sotw"] = "sotw"
    Request = DiscoveryRequest

    def __init__(self, types: tuple[ResourceType, ...] = TYPES) -> None:
        #: Whether a first request without names asks for everything: not of a gRPC client (gRFC A27).
        self.legacy = True
        self.subscriptions: dict[ResourceType, Subscription] = {}
        self._ordering = Ordering()
        self._nonces = count(1)
        self._turns = TURNS if types is TYPES else turns(types)
        self._resumed: set[ResourceType] = set()  # the client proved that it has the current state

    @property
    def wake_at(self) -> float | None:
        """When to poll again although nothing happened, in seconds of the clock given to `poll`."""
        return self._ordering.wake_at

    def asked(self, request: DiscoveryRequest) -> Names:
        """The names in a request. Many take long, but not again while somebody has them. Raises Excess."""
        return named("resource_names", request.resource_names)

    def receive(self, type: ResourceType, request: DiscoveryRequest, now: float) -> None:
        """Take note of a request. A stale one, by its nonce, is ignored: its names come with the ACK.

        Raises Excess.
        """
        names = self.asked(request)
        if len(request.version_info) > LONGEST_VERSION:
            raise Excess("version_info", f"has more than {LONGEST_VERSION} characters")
        subscription = self.subscriptions.get(type)
        if subscription is None:
            self.subscriptions[type] = _first(type, names, request.version_info, self.legacy)
        elif not subscription.nonce or not (request.response_nonce or subscription.awaiting):
            # No response is on its way that a request without a nonce could have crossed.
            _resubscribe(subscription, names)
        elif request.response_nonce == subscription.nonce:
            subscription.answered(request, now)
            self._ordering.answered(type, now)
            _resubscribe(subscription, names)
        elif subscription.awaiting:
            _crossed(subscription, names)

    def acknowledge(self, data: bytes, now: float) -> ResourceType | None:
        """Take note of an encoded request without decoding it, if it is a mere ACK; its type if it is."""
        for type, subscription in self.subscriptions.items():
            if subscription.accepted_by(data):
                subscription.accepted(now)
                self._ordering.answered(type, now)
                return type
        return None

    def notify(self, changes: Changes, delivery: Delivery | None = None) -> bool:
        """Note what changed in the world; true if there may be something to send."""
        return notify(self.subscriptions, changes, delivery)

    def end(self) -> None:
        """The stream has ended."""
        end(self.subscriptions)

    def release(self) -> bool:
        """More is known to the world than before; true if there may be something to send."""
        return release(self.subscriptions)

    def poll(self, world: World, now: float) -> Response | None:
        """The next DiscoveryResponse to send, encoded. Call until it returns None."""
        self._ordering.wake_at = None
        for type in self._turns:  # most polls, after a write and after an ACK, find nothing
            subscription = self.subscriptions.get(type)
            if subscription is not None and subscription.stirring:
                response = self._turn(subscription, world, now)
                if response is not None:
                    return response
        return None

    def _turn(self, subscription: Subscription, world: World, now: float) -> Response | None:
        if subscription.awaiting:
            return None
        if subscription.reported and self._resume(subscription, world):
            return None
        if subscription.unproven and not world.complete:
            return None  # this client may have what nobody can read here
        subscription.unproven = False
        if not self._ordering.may_add(subscription, self.subscriptions, now):
            return None
        difference = subscription.difference(world, now)
        changed = difference.changed
        gone = self._ordering.removable(subscription, self.subscriptions, now)
        changed += subscription.kept(gone)
        response = None
        if not subscription.type.full_state:
            response = self._parts(subscription, difference, gone, now)
        elif changed or gone or subscription.due:
            response = self._whole(subscription, world, changed, gone, now)
        if response is None:
            subscription.settled()
        return response

    def _whole(
        self, subscription: Subscription, world: World, changed: list[Resource], gone: list[str], now: float
    ) -> Response:
        """A response that restates the subscription, with what is gone but may still be referred to."""
        self._ordering.sending(subscription, changed, (), self.subscriptions, now)
        stated, held = subscription.selected(world), subscription.sent
        for name in gone:
            del subscription.gone_since[name]
        kept = {n: r for n in subscription.gone_since if isinstance(r := held[n], Resource)}
        resources = {**stated.resources, **kept} if kept else stated.resources
        subscription.restate(resources, stated.fingerprint + fingerprint(kept.values()))
        return self._respond(subscription, stated.sotw_body + sotw_body(kept.values()))

    def _parts(
        self, subscription: Subscription, difference: Difference, gone: list[str], now: float
    ) -> Response | None:
        """A response that leaves out what the client has; None if there is nothing to say."""
        empty = _emptied(subscription, difference.missing, gone)
        if gone:
            subscription.forget(gone)
        if not (difference.changed or empty or self._outdated(subscription)):
            return None
        self._ordering.sending(subscription, difference.changed, empty, self.subscriptions, now)
        subscription.record(difference)
        body = difference.whole.sotw_body if difference.whole else sotw_body(difference.changed)
        if empty:
            body += sotw_body(emptied(subscription.type, name) for name in empty)
        return self._respond(subscription, body)

    def _outdated(self, subscription: Subscription) -> bool:
        """Whether a client would come back with the version of more or less than it holds.

        What it gave up, or what went away in silence, is in the version that it has. Such a version is
        replaced by an empty response, on streams where it would be believed.
        """
        after = subscription.type.resumes_after
        before = self.subscriptions.get(after) if after is not None else None
        if before is None or not before.legacy or not subscription.told:
            return False
        return subscription.told != version(subscription.fingerprint)

    def _resume(self, subscription: Subscription, world: World) -> bool:
        """Whether a reconnecting client has the current state already; then nothing is sent.

        Versions are hashes of the content of the very set that was sent, so an equal one proves it.
        A client that asks for '*' may have given it up before, which has no answer that could tell it
        another version; Envoy names nothing. Endpoints and routes are believed only after clusters and
        listeners were, and while nothing was sent of these: a client that asks for endpoints may be one
        whose clusters are warming.
        """
        type, reported = subscription.type, subscription.reported
        subscription.reported = ""
        # All that such a response lacks is gone from the client, or no name of it leads there any more.
        subscription.unproven = not type.stands_alone
        if not self._believable(subscription):
            return False
        current = subscription.selected(world)
        if version(current.fingerprint) != reported:
            return False
        subscription.restate(current.resources, current.fingerprint)
        subscription.settled()
        subscription.unproven = False
        self._resumed.add(type)
        return True

    def _believable(self, subscription: Subscription) -> bool:
        """Whether what a client said in its first request of a type can prove anything."""
        if subscription.type.full_state:
            return subscription.legacy
        before = subscription.type.resumes_after
        return before is not None and before in self._resumed and not self.subscriptions[before].nonce

    def _respond(self, subscription: Subscription, body: bytes) -> Response:
        # Version, type and nonce have the same field numbers in a request.
        nonce, end = _ending(subscription.type, next(self._nonces))
        subscription.told = version(subscription.fingerprint)
        state = _VERSION_HEAD + subscription.told.encode()
        subscription.responded(nonce, (state, subscription.acceptance[1], end))
        # Envoy takes note of a response when it has no subscription, but does not answer it.
        subscription.awaiting = subscription.wildcard or bool(subscription.names)
        if not subscription.awaiting:
            subscription.end()
        # Joined: a sum would copy what may be megabytes twice.
        return Response(subscription.type, b"".join((state, body, end)))


_VERSION_HEAD = wire.head(_VERSION_INFO, VERSION_SIZE)


@lru_cache(maxsize=1 << 12)
def _ending(type: ResourceType, number: int) -> tuple[str, bytes]:
    """A nonce, and the end of a response that has it and of a request that answers it."""
    nonce = str(number)
    return nonce, wire.text(_TYPE_URL, type.url) + wire.text(_NONCE, nonce)


def _first(type: ResourceType, names: Names, reported: str, legacy: bool) -> Subscription:
    """The first request of a type on a stream; its nonce, of an earlier stream, means nothing."""
    legacy = legacy and type.full_state and not names.plain and not names.wildcard
    wildcard = names.wildcard or legacy
    return Subscription(
        type,
        names.plain,
        wildcard,
        legacy,
        requested=set(names.plain),
        rescan=True,
        due=type.full_state and (wildcard or bool(reported)),
        reported=reported,
        told=reported,
        blind=bool(reported),
        returning=bool(reported),
        asked=names,
        acceptance=(b"", names.encoded, b""),
    )


def _emptied(subscription: Subscription, missing: list[str], gone: list[str]) -> list[str]:
    """The names of which what is empty is sent, such as no endpoints; absence would say nothing.

    Those that are gone, so that the version of the response, which is of what still exists, is the
    one that this client will have when it has dropped the names, and can prove when it reconnects.
    And those that are asked for and never were: a cluster that waits for them warms for 15 seconds.
    """
    if subscription.type.empty is None:
        return []
    awaited = [name for name in missing if 0 < len(name) <= _LONGEST_AWAITED][:_MOST_AWAITED]
    return list(dict.fromkeys((*gone, *awaited)))


def _resubscribe(subscription: Subscription, request: Names) -> None:
    """Go from the subscription as it was to what the latest request says."""
    names, wildcard = request.plain, request.wildcard
    subscription.acceptance = (b"", request.encoded, b"")
    subscription.legacy = subscription.legacy and not names and not wildcard
    wildcard = wildcard or subscription.legacy
    if (names, wildcard) == (subscription.names, subscription.wildcard):
        return
    if subscription.reported and not subscription.type.stands_alone:
        subscription.unproven = True
    subscription.reported = ""  # was about other names
    started = wildcard and not subscription.wildcard
    subscription.requested |= names - subscription.names
    if not subscription.type.full_state and not names >= subscription.names:
        subscription.due = True  # to be looked at: the version that it has may be outdated
    subscription.names, subscription.wildcard, subscription.asked = names, wildcard, request
    subscription.forget_unwanted()
    if started:
        subscription.rescan = True
        subscription.due = subscription.type.full_state


def _crossed(subscription: Subscription, request: Names) -> None:
    """A request that crossed a response changes nothing, but what it leaves out the client has dropped,
    even if the answer to the response names it again; and a name was given.
    """
    subscription.legacy = subscription.legacy and not request.plain and not request.wildcard
    if not request.wildcard and not subscription.legacy:
        subscription.requested |= subscription.sent.keys() - request.plain
    subscription.acceptance = (b"", b"", b"")  # the next answer has to be looked at
