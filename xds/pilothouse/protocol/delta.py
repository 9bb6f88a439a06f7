"""Incremental (Delta) xDS: requests and responses carry only differences."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

from pilothouse._pb.envoy.service.discovery.v3.discovery_pb2 import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
)
from pilothouse.encoding import wire
from pilothouse.encoding.resources import Selection, delta_body
from pilothouse.encoding.types import ResourceType
from pilothouse.protocol.agenda import Agenda
from pilothouse.protocol.difference import Difference
from pilothouse.protocol.interest import Interest, Names, named, split_wildcard
from pilothouse.protocol.limits import counted
from pilothouse.protocol.ordering import Subscriptions
from pilothouse.protocol.stream import Codec
from pilothouse.protocol.subscription import Report, Subscription
from pilothouse.serving.world import World

# Field numbers of DeltaDiscoveryResponse, and of DeltaDiscoveryRequest.
_TYPE_URL, _NONCE = 4, 5
_REQUEST_TYPE_URL, _RESPONSE_NONCE = 2, 6


class Delta(Codec[DeltaDiscoveryRequest]):
    """Delta. The nonce decides only whether a request is an ACK. Its subscriptions always count."""

    variant: Literal["delta"] = "delta"
    Request = DeltaDiscoveryRequest
    answers_early = True
    lists_holdings = True

    def asked(self, request: DeltaDiscoveryRequest) -> Names:
        return named("resource_names_subscribe", request.resource_names_subscribe)

    def check(self, request: DeltaDiscoveryRequest) -> None:
        counted("resource_names_unsubscribe", len(request.resource_names_unsubscribe))

    def first(
        self, type: ResourceType, request: DeltaDiscoveryRequest, asked: Names, legacy: bool
    ) -> Subscription:
        """The first request of a type on a stream. A reconnecting client lists what it already has."""
        names, reports = asked.plain, request.initial_resource_versions.items()
        wildcard = asked.wildcard or (legacy and type.full_state and not names)
        has = {name: version for name, version in reports if wildcard or name in names}
        subscription = Subscription(
            type,
            Interest(names, wildcard, asked=asked),
            # Names that the client reports are compared. They are not sent again just because it asks for
            # them.
            Agenda(requested=set(names - has.keys()), rescan=True, due=wildcard and not has),
            Report(has, returning=bool(has)),
        )
        _unsubscribe(subscription, request)
        return subscription

    def follow(
        self, subscription: Subscription, request: DeltaDiscoveryRequest, asked: Names, answers: bool
    ) -> None:
        if asked.plain or asked.wildcard:
            _subscribe(subscription, asked)
        _unsubscribe(subscription, request)

    def proven(self, subscription: Subscription, all: Subscriptions, world: World) -> Selection | None:
        """The report proves the current state if it equals it. Otherwise it is compared name by name."""
        said, current = subscription.report.said, subscription.selected(world)
        if said == current.versions and not subscription.agenda.requested:
            return current
        assert isinstance(said, Mapping)
        subscription.held.believe(said)
        subscription.report.doubt(unproven=False)
        return None

    def unfound(self, type: ResourceType, difference: Difference) -> list[str]:
        return difference.missing

    def response(
        self,
        subscription: Subscription,
        difference: Difference,
        all: Subscriptions,
        world: World,
        number: int,
    ) -> bytes | None:
        changed, removed, gone = difference.changed, difference.missing, difference.gone
        if gone:
            removed = list(dict.fromkeys((*gone, *removed)))
        if not (changed or removed or subscription.agenda.due):
            return None
        subscription.record(difference)
        if removed:
            subscription.held.forget(removed)
        nonce, end, acceptance = _ending(subscription.type, number)
        subscription.responded(nonce, acceptance, b"", difference)
        body = difference.whole.delta_body if difference.whole else delta_body(changed)
        absent = DeltaDiscoveryResponse(removed_resources=removed).SerializeToString() if removed else b""
        return b"".join((body, absent, end))


DELTA = Delta()


@lru_cache(maxsize=1 << 12)
def _ending(type: ResourceType, number: int) -> tuple[str, bytes, bytes]:
    """A nonce, the bytes with which its response ends, and all bytes of its ACK."""
    nonce = str(number)
    end = wire.text(_TYPE_URL, type.url) + wire.text(_NONCE, nonce)
    return nonce, end, wire.text(_REQUEST_TYPE_URL, type.url) + wire.text(_RESPONSE_NONCE, nonce)


def _subscribe(subscription: Subscription, asked: Names) -> None:
    """Subscribe to names. Each is sent, even if it was sent before."""
    before = subscription.interest
    after = before.widened(asked.plain, asked.wildcard)
    counted("resource_names_subscribe", len(after.names))
    subscription.want(after)
    subscription.agenda.request(asked.plain)
    if asked.wildcard and not before.wildcard:
        subscription.agenda.request_all(due=True)


def _unsubscribe(subscription: Subscription, request: DeltaDiscoveryRequest) -> None:
    """Unsubscribe from names. A name that the wildcard still covers is sent again, or stated as missing."""
    dropped, ended = split_wildcard(request.resource_names_unsubscribe)
    if not (dropped or ended):
        return
    before = subscription.interest
    unnamed = dropped & before.names
    subscription.want(before.narrowed(unnamed, ended))
    if ended:
        subscription.forget_unwanted()
    elif before.wildcard:
        subscription.agenda.request(unnamed)
    else:
        subscription.agenda.drop(unnamed)
        subscription.held.forget(unnamed)
    subscription.report.narrow(subscription.interest)
