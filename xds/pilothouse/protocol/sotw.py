"""State of the World: each request restates the whole subscription.

Responses with clusters or listeners restate the whole state, too.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Literal

from pilothouse._pb.envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest
from pilothouse.encoding import wire
from pilothouse.encoding.resources import VERSION_SIZE, Selection, emptied, sotw_body, version
from pilothouse.encoding.types import ResourceType
from pilothouse.protocol.agenda import Agenda
from pilothouse.protocol.difference import Difference
from pilothouse.protocol.exchange import Exchange
from pilothouse.protocol.holdings import Holdings
from pilothouse.protocol.interest import Interest, Names, named
from pilothouse.protocol.limits import LONGEST_VERSION, Excess
from pilothouse.protocol.ordering import Subscriptions
from pilothouse.protocol.stream import Codec
from pilothouse.protocol.subscription import Report, Subscription
from pilothouse.serving.world import World

# Field numbers of DiscoveryResponse.
_VERSION_INFO, _TYPE_URL, _NONCE = 1, 4, 5

# Limits on the missing names that are answered. Cluster names are shorter, and no client waits for so many
# missing clusters. The answers have to fit into the 4 MiB that a gRPC client accepts.
_LONGEST_AWAITED, _MOST_AWAITED = 512, 1000


class Sotw(Codec[DiscoveryRequest]):
    """State of the World. A request with a stale nonce is ignored, because the ACK repeats its names."""

    variant: Literal["sotw"] = "sotw"
    Request = DiscoveryRequest
    answers_early = False
    lists_holdings = False

    def asked(self, request: DiscoveryRequest) -> Names:
        return named("resource_names", request.resource_names)

    def check(self, request: DiscoveryRequest) -> None:
        if len(request.version_info) > LONGEST_VERSION:
            raise Excess("version_info", f"has more than {LONGEST_VERSION} characters")

    def first(
        self, type: ResourceType, request: DiscoveryRequest, asked: Names, legacy: bool
    ) -> Subscription:
        """The first request of a type on a stream.

        Its nonce, if any, is of an earlier stream and is ignored.
        """
        interest = Interest(legacy=legacy and type.full_state).restated(asked)
        reported = request.version_info
        back = bool(reported)
        due = type.full_state and (interest.wildcard or back)
        return Subscription(
            type,
            interest,
            Agenda(requested=set(asked.plain), rescan=True, due=due),
            Report(reported, returning=back, blind=back),
            Exchange(acceptance=(b"", asked.encoded, b"")),
            Holdings(version=reported),
        )

    def follow(
        self, subscription: Subscription, request: DiscoveryRequest, asked: Names, answers: bool
    ) -> None:
        exchange = subscription.exchange
        # A request without a nonce may have crossed a response that is on its way.
        if answers or not exchange.nonce or not (request.response_nonce or exchange.awaiting):
            _resubscribe(subscription, asked)
        elif exchange.awaiting:
            _crossed(subscription, asked)

    def proven(self, subscription: Subscription, all: Subscriptions, world: World) -> Selection | None:
        """A version is a hash of the set that was sent. So an equal version proves that the client has the
        set.

        A client that asks for '*' by name may have unsubscribed from it before. No response answers that, so
        none told the client another version, and its version proves nothing. Envoy names no clusters.
        Endpoints are believed only if the clusters were proven first and none were sent since, and routes
        only after listeners in the same way. Otherwise a client that asks for endpoints may be warming its
        clusters.
        """
        report = subscription.report
        if _believable(subscription, all):
            current = subscription.selected(world)
            if version(current.fingerprint) == report.said:
                return current
        # If a type stands alone, the next response removes what it lacks, or nothing refers to that any more.
        report.doubt(unproven=not subscription.type.stands_alone)
        return None

    def unfound(self, type: ResourceType, difference: Difference) -> list[str]:
        """The names for which an empty resource is sent, such as a load assignment without endpoints.

        Leaving a name out would say nothing. The names are of two kinds. Some are gone: the version of the
        response covers only what still exists, so the client can prove its state when it reconnects. Others
        were requested and do not exist: a cluster that waits for one of them would warm for 15 seconds.
        """
        if type.empty is None:
            return []
        awaited = [name for name in difference.missing if 0 < len(name) <= _LONGEST_AWAITED]
        return list(dict.fromkeys((*difference.gone, *awaited[:_MOST_AWAITED])))

    def response(
        self,
        subscription: Subscription,
        difference: Difference,
        all: Subscriptions,
        world: World,
        number: int,
    ) -> bytes | None:
        if subscription.type.full_state:
            body = _whole(subscription, difference, world)
        else:
            body = _parts(subscription, difference, all)
        if body is None:
            return None
        # Version, type and nonce have the same field numbers in a request.
        nonce, end = _ending(subscription.type, number)
        state = _VERSION_HEAD + subscription.held.tell().encode()
        subscription.responded(nonce, state, end, None if subscription.type.full_state else difference)
        if not subscription.interest:
            # Without a subscription, Envoy processes a response but does not answer it.
            subscription.exchange.end()
        # Use join: a sum would copy twice, and this may be megabytes.
        return b"".join((state, body, end))


SOTW = Sotw()

_VERSION_HEAD = wire.head(_VERSION_INFO, VERSION_SIZE)


@lru_cache(maxsize=1 << 12)
def _ending(type: ResourceType, number: int) -> tuple[str, bytes]:
    """A nonce, and the bytes with which its response and a request that answers it end."""
    nonce = str(number)
    return nonce, wire.text(_TYPE_URL, type.url) + wire.text(_NONCE, nonce)


def _resubscribe(subscription: Subscription, asked: Names) -> None:
    """Change the subscription to what the latest request says."""
    type, before, agenda = subscription.type, subscription.interest, subscription.agenda
    after = before.restated(asked)
    subscription.exchange.naming(asked.encoded)
    subscription.want(after)
    if (after.names, after.wildcard) == (before.names, before.wildcard):
        return
    if subscription.report.said:  # the report was about other names
        subscription.report.doubt(unproven=not type.stands_alone)
    agenda.request(after.names - before.names)
    subscription.forget_unwanted()
    if after.wildcard and not before.wildcard:
        agenda.request_all(due=type.full_state)
    elif not type.full_state and not after.names >= before.names:
        agenda.respond()  # the version that the client has may be outdated


def _crossed(subscription: Subscription, asked: Names) -> None:
    """Process a request that crossed a response. It does not change the subscription, with two exceptions.

    The client has dropped what it leaves out, so that is sent again if the answer to the response names it
    again. And if it names something, an empty list no longer means everything.
    """
    legacy = subscription.interest.stays_legacy(asked)
    subscription.want(replace(subscription.interest, legacy=legacy))
    if not asked.wildcard and not legacy:
        subscription.agenda.request(subscription.held.sent.keys() - asked.plain)
    subscription.exchange.doubt()


def _believable(subscription: Subscription, all: Subscriptions) -> bool:
    """Whether the version in a client's first request of a type can prove anything."""
    if subscription.type.full_state:
        return subscription.interest.legacy
    before = _before(subscription, all)
    return before is not None and before.report.proven and not before.exchange.nonce


def _before(subscription: Subscription, all: Subscriptions) -> Subscription | None:
    """The subscription that the client must have proven before its report of this one is believed."""
    after = subscription.type.resumes_after
    return all.get(after) if after is not None else None


def _whole(subscription: Subscription, difference: Difference, world: World) -> bytes | None:
    """The body that restates all subscribed resources, and those that are gone but may not be dropped yet."""
    if not (difference.changed or difference.gone or subscription.agenda.due):
        return None
    stated = subscription.selected(world)
    kept = subscription.held.restate(stated, difference.gone)
    return stated.sotw_body + sotw_body(kept)


def _parts(subscription: Subscription, difference: Difference, all: Subscriptions) -> bytes | None:
    """The body with only those resources that the client lacks."""
    empty = difference.missing
    if difference.gone:
        subscription.held.forget(difference.gone)
    if not (difference.changed or empty or subscription.exchange.lapsed or _outdated(subscription, all)):
        return None
    subscription.record(difference)
    body = difference.whole.sotw_body if difference.whole else sotw_body(difference.changed)
    if empty:
        body += sotw_body(emptied(subscription.type, name) for name in empty)
    return body


def _outdated(subscription: Subscription, all: Subscriptions) -> bool:
    """Whether the client's version covers more or less than the client holds.

    The version still covers resources that the client unsubscribed from, or that went away unsaid. An empty
    response replaces it, on streams where a reconnecting client would be believed.
    """
    before, held = _before(subscription, all), subscription.held
    if before is None or not before.interest.legacy or not held.version:
        return False
    return held.version != version(held.fingerprint)
