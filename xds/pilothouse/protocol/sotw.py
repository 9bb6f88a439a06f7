"""State of the world: a request restates its subscription; of clusters and listeners, a response does too."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Literal

from pilothouse._pb.envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest
from pilothouse.encoding import wire
from pilothouse.encoding.resources import VERSION_SIZE, Selection, emptied, sotw_body, version
from pilothouse.encoding.types import ResourceType
from pilothouse.protocol.agenda import Agenda
from pilothouse.protocol.exchange import Exchange
from pilothouse.protocol.holdings import Holdings
from pilothouse.protocol.interest import Interest, Names, named
from pilothouse.protocol.limits import LONGEST_VERSION, Excess
from pilothouse.protocol.ordering import Subscriptions
from pilothouse.protocol.stream import Codec
from pilothouse.protocol.subscription import Difference, Report, Subscription
from pilothouse.serving.world import World

# Field numbers of DiscoveryResponse.
_VERSION_INFO, _TYPE_URL, _NONCE = 1, 4, 5

# Names of clusters are shorter, and no client waits for so many that are not there; and what is said of
# them has to fit into the 4 MiB that a gRPC client takes.
_LONGEST_AWAITED, _MOST_AWAITED = 512, 1000


class Sotw(Codec[DiscoveryRequest]):
    """A request that is stale, by its nonce, is ignored: its names come with the ACK."""

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
        """The first request of a type on a stream; its nonce, of an earlier stream, means nothing."""
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
        # Without a nonce, a request may have crossed a response that is on its way.
        if answers or not exchange.nonce or not (request.response_nonce or exchange.awaiting):
            _resubscribe(subscription, asked)
        elif exchange.awaiting:
            _crossed(subscription, asked)

    def proven(self, subscription: Subscription, all: Subscriptions, world: World) -> Selection | None:
        """Versions are hashes of the content of the very set that was sent, so an equal one proves it.

        A client that asks for '*' may have given it up before, which has no answer that could tell it
        another version; Envoy names nothing. Endpoints and routes are believed only after clusters and
        listeners were, and while nothing was sent of these: a client that asks for endpoints may be one
        whose clusters are warming.
        """
        report = subscription.report
        if _believable(subscription, all):
            current = subscription.selected(world)
            if version(current.fingerprint) == report.said:
                return current
        # All that such a response lacks is gone from the client, or no name of it leads there any more.
        report.doubt(unproven=not subscription.type.stands_alone)
        return None

    def unfound(self, type: ResourceType, difference: Difference) -> list[str]:
        """The names of which what is empty is sent, such as no endpoints; absence would say nothing.

        Those that are gone, so that the version of the response, which is of what still exists, is the
        one that this client will have when it has dropped the names, and can prove when it reconnects.
        And those that are asked for and never were: a cluster that waits for them warms for 15 seconds.
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
        subscription.responded(nonce, state, end)
        if not subscription.interest:
            # Envoy takes note of a response when it has no subscription, but does not answer it.
            subscription.exchange.end()
        # Joined: a sum would copy what may be megabytes twice.
        return b"".join((state, body, end))


SOTW = Sotw()

_VERSION_HEAD = wire.head(_VERSION_INFO, VERSION_SIZE)


@lru_cache(maxsize=1 << 12)
def _ending(type: ResourceType, number: int) -> tuple[str, bytes]:
    """A nonce, and the end of a response that has it and of a request that answers it."""
    nonce = str(number)
    return nonce, wire.text(_TYPE_URL, type.url) + wire.text(_NONCE, nonce)


def _resubscribe(subscription: Subscription, asked: Names) -> None:
    """Go from the subscription as it was to what the latest request says."""
    type, before, agenda = subscription.type, subscription.interest, subscription.agenda
    after = before.restated(asked)
    subscription.exchange.naming(asked.encoded)
    subscription.want(after)
    if (after.names, after.wildcard) == (before.names, before.wildcard):
        return
    if subscription.report.said:  # was about other names
        subscription.report.doubt(unproven=not type.stands_alone)
    agenda.request(after.names - before.names)
    subscription.forget_unwanted()
    if after.wildcard and not before.wildcard:
        agenda.request_all(due=type.full_state)
    elif not type.full_state and not after.names >= before.names:
        agenda.respond()  # perhaps: the version that it has may be outdated


def _crossed(subscription: Subscription, asked: Names) -> None:
    """A request that crossed a response changes nothing, but what it leaves out the client has dropped,
    even if the answer to the response names it again; and a name was given.
    """
    legacy = subscription.interest.stays_legacy(asked)
    subscription.want(replace(subscription.interest, legacy=legacy))
    if not asked.wildcard and not legacy:
        subscription.agenda.request(subscription.held.sent.keys() - asked.plain)
    subscription.exchange.doubt()


def _believable(subscription: Subscription, all: Subscriptions) -> bool:
    """Whether what a client said in its first request of a type can prove anything."""
    if subscription.type.full_state:
        return subscription.interest.legacy
    before = _before(subscription, all)
    return before is not None and before.report.proven and not before.exchange.nonce


def _before(subscription: Subscription, all: Subscriptions) -> Subscription | None:
    """What the client must have proven before it is believed that it has this."""
    after = subscription.type.resumes_after
    return all.get(after) if after is not None else None


def _whole(subscription: Subscription, difference: Difference, world: World) -> bytes | None:
    """What is subscribed to, restated with what is gone but may still be referred to."""
    if not (difference.changed or difference.gone or subscription.agenda.due):
        return None
    stated = subscription.selected(world)
    kept = subscription.held.restate(stated, difference.gone)
    return stated.sotw_body + sotw_body(kept)


def _parts(subscription: Subscription, difference: Difference, all: Subscriptions) -> bytes | None:
    """What the client lacks; what it has is left out."""
    empty = difference.missing
    if difference.gone:
        subscription.held.forget(difference.gone)
    if not (difference.changed or empty or _outdated(subscription, all)):
        return None
    subscription.record(difference)
    body = difference.whole.sotw_body if difference.whole else sotw_body(difference.changed)
    if empty:
        body += sotw_body(emptied(subscription.type, name) for name in empty)
    return body


def _outdated(subscription: Subscription, all: Subscriptions) -> bool:
    """Whether a client would come back with the version of more or less than it holds.

    What it gave up, or what went away in silence, is in the version that it has. Such a version is
    replaced by an empty response, on streams where it would be believed.
    """
    before, held = _before(subscription, all), subscription.held
    if before is None or not before.interest.legacy or not held.version:
        return False
    return held.version != version(held.fingerprint)
