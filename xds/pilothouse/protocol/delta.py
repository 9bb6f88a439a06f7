"""Incremental xDS: requests and responses carry only differences."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import count
from typing import Literal

from pilothouse._pb.envoy.service.discovery.v3.discovery_pb2 import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
)
from pilothouse.encoding import wire
from pilothouse.encoding.resources import delta_body
from pilothouse.encoding.types import TYPES, Changes, ResourceType, turns
from pilothouse.protocol.ordering import Ordering
from pilothouse.protocol.subscription import (
    Difference,
    Names,
    ReportedVersion,
    Response,
    Subscription,
    counted,
    end,
    named,
    notify,
    release,
    split_wildcard,
)
from pilothouse.serving.world import World
from pilothouse.structures.delivery import Delivery

# Field numbers of DeltaDiscoveryResponse, and of DeltaDiscoveryRequest.
_TYPE_URL, _NONCE = 4, 5
_REQUEST_TYPE_URL, _RESPONSE_NONCE = 2, 6

TURNS = turns()


class DeltaStream:
    """One stream of DeltaDiscoveryRequests, of one type or, with ADS, of several."""

    variant: Literal["delta"] = "delta"
    Request = DeltaDiscoveryRequest

    def __init__(self, types: tuple[ResourceType, ...] = TYPES) -> None:
        #: Whether a first request without names asks for everything: not of a gRPC client (gRFC A27).
        self.legacy = True
        self.subscriptions: dict[ResourceType, Subscription] = {}
        self._ordering = Ordering()
        self._nonces = count(1)
        self._turns = TURNS if types is TYPES else turns(types)

    @property
    def wake_at(self) -> float | None:
        """When to poll again although nothing happened, in seconds of the clock given to `poll`."""
        return self._ordering.wake_at

    def asked(self, request: DeltaDiscoveryRequest) -> Names:
        """The names in a request. Many take long, but not again while somebody has them. Raises Excess."""
        return named("resource_names_subscribe", request.resource_names_subscribe)

    def receive(self, type: ResourceType, request: DeltaDiscoveryRequest, now: float) -> None:
        """Take note of a request. Its nonce matters to an ACK only: subscriptions count in any case.

        Raises Excess.
        """
        asked = self.asked(request)
        counted("resource_names_unsubscribe", len(request.resource_names_unsubscribe))
        added, started = asked.plain, asked.wildcard
        dropped, ended = split_wildcard(request.resource_names_unsubscribe)
        subscription = self.subscriptions.get(type)
        if subscription is None:
            everything = started or (self.legacy and type.full_state and not added)
            subscription = self.subscriptions[type] = _first(type, asked, everything, request)
            added, started = frozenset(), False
            self._ordering.begun(subscription, now)
        elif request.response_nonce and request.response_nonce == subscription.nonce:
            subscription.answered(request, now)
            self._ordering.answered(type, now)
        if added or started:
            _subscribe(subscription, added, started)
        if dropped or ended:
            _unsubscribe(subscription, dropped, ended)

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
        """The next DeltaDiscoveryResponse to send, encoded. Call until it returns None."""
        self._ordering.wake_at = None
        for type in self._turns:  # most polls, after a write and after an ACK, find nothing
            subscription = self.subscriptions.get(type)
            if subscription is not None and subscription.stirring:
                response = self._turn(subscription, world, now)
                if response is not None:
                    return response
        return None

    def _turn(self, subscription: Subscription, world: World, now: float) -> Response | None:
        # What a client asks for is answered even while it owes an answer itself.
        if subscription.awaiting and not (subscription.requested or subscription.due):
            return None
        if subscription.reported and self._resume(subscription, world):
            return None
        if not self._ordering.may_add(subscription, self.subscriptions, now):
            return None
        difference = subscription.difference(world, now)
        gone = self._ordering.removable(subscription, self.subscriptions, now)
        difference.changed.extend(subscription.kept(gone))
        removed = list(dict.fromkeys((*gone, *difference.missing))) if gone else difference.missing
        if not (difference.changed or removed or subscription.due):
            subscription.settled()
            return None
        return self._differ(subscription, difference, removed, now)

    def _differ(
        self, subscription: Subscription, difference: Difference, removed: list[str], now: float
    ) -> Response:
        changed = difference.changed
        self._ordering.sending(subscription, changed, difference.missing, self.subscriptions, now)
        subscription.record(difference)
        if removed:
            subscription.forget(removed)
        body = difference.whole.delta_body if difference.whole else delta_body(changed)
        return self._respond(subscription, body, removed)

    def _resume(self, subscription: Subscription, world: World) -> bool:
        """Whether a reconnecting client has exactly the current state; if not, what it has is compared."""
        reported, subscription.reported = subscription.reported, ""
        current = subscription.selected(world)
        if reported == current.versions and not subscription.requested:
            subscription.restate(current.resources, current.fingerprint)
            subscription.settled()
            return True
        if isinstance(reported, Mapping):
            subscription.sent = {name: ReportedVersion(version) for name, version in reported.items()}
        return False

    def _respond(self, subscription: Subscription, body: bytes, removed: list[str]) -> Response:
        nonce, end, acceptance = _ending(subscription.type, next(self._nonces))
        subscription.responded(nonce, (acceptance, b"", b""))
        gone = DeltaDiscoveryResponse(removed_resources=removed).SerializeToString() if removed else b""
        return Response(subscription.type, b"".join((body, gone, end)))


@lru_cache(maxsize=1 << 12)
def _ending(type: ResourceType, number: int) -> tuple[str, bytes, bytes]:
    """A nonce, the end of a response that has it, and the whole of a request that accepts it."""
    nonce = str(number)
    end = wire.text(_TYPE_URL, type.url) + wire.text(_NONCE, nonce)
    return nonce, end, wire.text(_REQUEST_TYPE_URL, type.url) + wire.text(_RESPONSE_NONCE, nonce)


def _first(type: ResourceType, asked: Names, wildcard: bool, request: DeltaDiscoveryRequest) -> Subscription:
    """The first request of a type on a stream says what a reconnecting client has already."""
    names, reports = asked.plain, request.initial_resource_versions.items()
    has = {name: version for name, version in reports if wildcard or name in names}
    # What it says it has is compared, not sent again for being asked for.
    return Subscription(
        type,
        names,
        wildcard,
        requested=set(names - has.keys()),
        rescan=True,
        due=wildcard and not has,
        reported=has,
        returning=bool(has),
        asked=asked,
    )


def _subscribe(subscription: Subscription, names: frozenset[str], wildcard: bool) -> None:
    """Whatever is subscribed to is sent, whether or not it was before."""
    together = subscription.names | names
    counted("resource_names_subscribe", len(together))
    subscription.names, subscription.asked = together, None
    subscription.requested |= names
    if wildcard and not subscription.wildcard:
        subscription.wildcard = subscription.rescan = True
        subscription.due = True


def _unsubscribe(subscription: Subscription, names: frozenset[str], wildcard: bool) -> None:
    """Forget names; one that the wildcard still covers is stated again, as it is or as missing."""
    named = names & subscription.names
    if named:
        subscription.names, subscription.asked = subscription.names - named, None
    if wildcard:
        subscription.wildcard = False
        subscription.forget_unwanted()
    elif subscription.wildcard:
        subscription.requested |= named
    else:
        subscription.requested -= named
        subscription.forget(named)
    if isinstance(subscription.reported, Mapping):  # not looked at yet, see _resume
        reports = subscription.reported.items()
        subscription.reported = {name: version for name, version in reports if subscription.wants(name)}
    if subscription.noted and not subscription.stirring:
        subscription.settled()  # nothing is left to tell, so nobody waits for an answer
