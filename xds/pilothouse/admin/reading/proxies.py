"""The clients: who they are, how they stand with each type, and how the last ones ended."""

from __future__ import annotations

import heapq
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import TypeAlias, get_args

from pilothouse.admin.api import views
from pilothouse.admin.api.inquiry import Departed, Missing, Mistaken
from pilothouse.admin.api.views.proxies import NEED_ATTENTION, PROXY_STATES
from pilothouse.admin.reading.clock import at, wall
from pilothouse.admin.status import StreamsStatus, TypeStatus
from pilothouse.encoding.resources import version
from pilothouse.encoding.types import TYPES, ResourceType
from pilothouse.mesh.audience import Dialect
from pilothouse.mesh.dependencies import Dependencies
from pilothouse.model.services import Locality
from pilothouse.protocol.subscription import Subscription
from pilothouse.server.discovery import Discovery
from pilothouse.server.refusals import Refusal
from pilothouse.server.roster import Gone, Roster
from pilothouse.server.session import STALE_S, Session
from pilothouse.serving.attribution import resources
from pilothouse.structures.delivery import Delivery
from pilothouse.structures.nearness import near
from pilothouse.structures.turns import Turn, in_turns
from pilothouse.structures.written import brief, quoted

_TURN_S = 0.002
_BEHIND = 10  # so many proxies that are behind are named
_NAMED = 20  # so many dependencies are named

_Listed: TypeAlias = Gone | Refusal | Session
_ENDED: Mapping[type, views.ProxyState] = {Gone: "GONE", Refusal: "REFUSED"}


def sync_state(subscription: Subscription, now: float) -> views.SyncState:
    """How a client stands with one type."""
    exchange = subscription.exchange
    if exchange.awaiting and now - exchange.since > STALE_S:
        return "STALE"
    if exchange.error:
        return "NACKED"
    if exchange.awaiting:
        return "SENDING"
    return "SYNCED" if exchange.nonce or subscription.held.sent else "IDLE"


def unaccepted(held: Subscription) -> Collection[str] | None:
    """Names of resources that the client has not accepted as it was last sent them. None: all that it has.

    Some responses state everything again. Of such a one Envoy refuses what it names, and runs the rest.
    """
    exchange = held.exchange
    unproven = exchange.unproven
    if unproven is None and not exchange.awaiting:
        return frozenset(resources(exchange.error)) & held.held.sent.keys() or None
    return unproven


def state_of(session: Session, now: float) -> views.SyncState:
    """The state of the type that needs most attention."""
    found = [sync_state(each, now) for each in session.stream.subscriptions.values()]
    return min(found, key=PROXY_STATES.index, default="IDLE")


def worst(sessions: Iterable[Session], now: float) -> views.SyncState | None:
    """The state of the stream that needs most attention. None without a stream."""
    return min((state_of(each, now) for each in sessions), key=PROXY_STATES.index, default=None)


async def states(discovery: Discovery) -> tuple[dict[str, int], tuple[views.BehindView, ...]]:
    """How many streams are in each state, and the first that need attention, the worst first. In turns."""
    refused = discovery.roster.refusals.known()
    found: Counter[str] = Counter(GONE=len(discovery.roster.gone()), REFUSED=len(refused))
    behind: dict[str, list[views.BehindView]] = {state: [] for state in NEED_ATTENTION}
    behind["REFUSED"] = [views.BehindView(each.node, "REFUSED", each.peer) for each in refused[:_BEHIND]]
    turn, now = Turn(_TURN_S), time.monotonic()
    for session in list(discovery.sessions):
        state = state_of(session, now)
        found[state] += 1
        if state in behind and len(behind[state]) < _BEHIND:
            behind[state].append(views.BehindView(session.node_id, state, session.peer))
        await turn.over()
    first = islice(chain.from_iterable(behind.values()), _BEHIND)
    return {name: found[name] for name in PROXY_STATES if found[name]}, tuple(first)


async def ambiguous(roster: Roster) -> tuple[str, ...]:
    """The first node ids that several Envoys state at once. In turns."""
    found, turn = list[str](), Turn(_TURN_S)
    for node, count in Counter(roster.nodes()).items():
        if count > 1 and sum(map(_is_envoy, roster.of(node))) > 1:
            found.append(node)
            if len(found) == _BEHIND:
                break
        await turn.over()
    return tuple(found)


def _is_envoy(session: Session) -> bool:
    """Whether it is the one stream of an Envoy. A gRPC client may have a stream for each of its channels."""
    world = session.world
    return session.is_aggregated and world is not None and world.audience.dialect is Dialect.ENVOY


async def standing(discovery: Discovery) -> StreamsStatus:
    """All open streams, counted. In turns."""
    variants = Counter(sotw=0, delta=0)
    states: Counter[str] = Counter(dict.fromkeys(get_args(views.SyncState), 0))
    types: dict[ResourceType, TypeStatus] = {}
    turn, now = Turn(_TURN_S), time.monotonic()
    for session in list(discovery.sessions):
        variants[session.stream.codec.variant] += 1
        states[state_of(session, now)] += 1
        for type, each in session.stream.subscriptions.items():
            types[type] = _with(types.get(type, TypeStatus()), each, now)
        await turn.over()
    return StreamsStatus(variants, states, {type.label: types[type] for type in TYPES if type in types})


def _with(so_far: TypeStatus, held: Subscription, now: float) -> TypeStatus:
    """What is counted of a type, with one more stream."""
    waited_s = now - held.exchange.since if held.exchange.awaiting else 0.0
    return TypeStatus(
        so_far.awaiting_ack + held.exchange.awaiting,
        so_far.lagging + (waited_s > STALE_S),
        so_far.rejected + bool(held.exchange.error),
        max(so_far.oldest_s, waited_s),
    )


async def rows(roster: Roster, state: str, namespace: str, limit: int, after: str) -> views.ProxyList:
    """The streams by node, and clients that have gone or are refused among them; only those in a state or a
    namespace, unless it is empty. In turns.
    """
    node, number = cursor(after)
    ended: list[Gone | Refusal] = [*roster.gone(), *roster.refusals.known()]
    away = sorted((each for each in ended if (each.node, each.number) > (node, number)), key=_place)
    keyed: list[Iterator[tuple[str, int, _Listed]]] = [
        ((each.node, each.number, each) for each in away),
        # What is in steps sees the streams as they are now.
        ((each.node_id, count, each) for count, each in list(roster.after(node, number))),
    ]
    turn, now = Turn(_TURN_S), time.monotonic()
    found: list[tuple[str, int, _Listed]] = []
    for each in heapq.merge(*keyed, key=lambda one: one[:2]):
        if _fits(each[2], now, state, namespace):
            found.append(each)
        if len(found) > limit:
            break
        await turn.over()
    items = list[views.ProxyRow]()
    for _, _, one in found[:limit]:
        items.append(listed(one, now))
        await turn.over()
    last = found[limit - 1] if len(found) > limit else None
    return views.ProxyList(tuple(items), f"{last[1]}:{last[0]}" if last else None)


def _fits(one: _Listed, now: float, state: str, namespace: str) -> bool:
    if state and state != (state_of(one, now) if isinstance(one, Session) else _ENDED[type(one)]):
        return False
    return not namespace or namespace == _namespace(one)


def _namespace(one: _Listed) -> str:
    match one:
        case Gone():
            return one.namespace
        case Refusal():
            return ""  # it has proven none
        case _:
            return one.world.audience.namespace if one.world else ""


def _place(one: Gone | Refusal) -> tuple[str, int]:
    return one.node, one.number


def listed(one: _Listed, now: float) -> views.ProxyRow:
    """A stream, or a client that has none, as lists show it."""
    match one:
        case Gone():
            return gone_row(one)
        case Refusal():
            return refused_row(one)
        case _:
            return row(one, now)


def cursor(after: str) -> tuple[str, int]:
    if not after:
        return "", 0
    number, colon, node = after.partition(":")
    if not (colon and number.isascii() and number.isdigit() and len(number) < 19):
        raise Mistaken(f"after: must be the `next` of the page before, not {quoted(after)}")
    return node, int(number)


def row(session: Session, now: float) -> views.ProxyRow:
    """A stream as lists show it."""
    held = session.stream.subscriptions
    types = tuple(
        views.SubscriptionState(type.label, sync_state(held[type], now)) for type in TYPES if type in held
    )
    return views.ProxyRow(
        session.node_id,
        session.peer,
        _namespace(session),
        session.stream.codec.variant,
        session.about,
        state_of(session, now),
        views.moment(session.connected_s),
        types,
        lag=_lag(each for subscription in held.values() for each in subscription.lacking),
    )


def gone_row(gone: Gone) -> views.ProxyRow:
    """A stream that has ended as lists show it."""
    said = gone.node, gone.peer, gone.namespace, gone.variant, gone.about
    times = views.moment(gone.connected_s), (), views.moment(gone.gone_s)
    return views.ProxyRow(*said, "GONE", *times, gone.reason)


def refused_row(one: Refusal) -> views.ProxyRow:
    """A client that is refused as lists show it."""
    said = one.node, one.peer, "", one.variant, one.about
    times = views.moment(one.first_s), (), views.moment(one.last_s)
    return views.ProxyRow(*said, "REFUSED", *times, one.reason, refused=one.count)


async def proxy(roster: Roster, node: str) -> views.ProxyView:
    """One proxy, open, gone or refused. Raises Missing."""
    sessions, now = roster.of(node), time.monotonic()
    gone = [each for each in roster.gone() if each.node == node]
    refusal = roster.refusals.of(node)
    if not sessions and not gone and refusal is None:
        raise await missing(roster, node)
    streams = tuple(_stream(each, now) for each in sessions)
    state = worst(sessions, now) or ("REFUSED" if refusal else "GONE")
    return views.ProxyView(
        node, state, streams, tuple(map(_gone, gone)), _refused(refusal) if refusal else None
    )


async def missing(roster: Roster, node: str) -> Missing:
    """Why nothing can be asked of a proxy that has no open stream."""
    refusal = roster.refusals.of(node)
    if refusal is not None:
        return Departed(f"proxy {node} is refused: {refusal.reason}")
    gone = max((each for each in roster.gone() if each.node == node), key=_end, default=None)
    if gone is not None:
        ago = max(0, round(time.time() - gone.gone_s))
        return Departed(f"proxy {node} has gone {ago} s ago: {gone.reason}")
    away: list[Gone | Refusal] = [*roster.gone(), *roster.refusals.known()]
    known = dict.fromkeys([*roster.nodes(), *(each.node for each in away if each.node)])
    return Missing(f"proxy {brief(node)}", await in_turns(near(node, known), _TURN_S))


def _end(gone: Gone) -> float:
    return gone.gone_s


def _refused(one: Refusal) -> views.RefusalView:
    times = views.moment(one.first_s), views.moment(one.last_s)
    return views.RefusalView(one.count, *times, one.reason, one.peer, one.about, one.variant)


def _gone(gone: Gone) -> views.GoneView:
    return views.GoneView(
        views.moment(gone.gone_s),
        gone.reason,
        gone.peer,
        gone.about,
        views.moment(gone.connected_s),
        tuple(views.UnansweredView(type, at(since) or "") for type, since in gone.unanswered),
        dict(gone.rejected) or None,
    )


def _stream(session: Session, now: float) -> views.StreamView:
    assert session.world is not None  # the roster has no others
    client, held = session.world.audience, session.stream.subscriptions
    unknown = session.world.unknown_dependencies
    return views.StreamView(
        peer=session.peer,
        stream=session.about,
        variant=session.stream.codec.variant,
        dialect=client.dialect.value,
        namespace=client.namespace,
        locality=place(client.locality),
        connected=views.moment(session.connected_s),
        types=tuple(_subscription(held[type], now) for type in TYPES if type in held),
        identity=tuple(sorted(session.world.principal.ids)),
        on_node=client.node or None,
        capture=client.capture.value,
        depends_on=tuple(depends_on(client.dependencies)),
        unknown=tuple(each.what for each in islice(unknown, _NAMED)),
    )


def place(locality: Locality) -> views.PlaceView:
    return views.PlaceView(*(part or None for part in locality))


def depends_on(said: Dependencies) -> Iterator[str]:
    """The first dependencies as the client states them; none if it depends on everything."""
    wanted = sorted(map(str, said.services or ()))
    yield from wanted[:_NAMED]
    if len(wanted) > _NAMED:
        yield f"and {len(wanted) - _NAMED} more"


def _subscription(held: Subscription, now: float) -> views.SubscriptionView:
    exchange = held.exchange
    last, sent = exchange.nack, at(exchange.at) if exchange.nonce else None
    return views.SubscriptionView(
        type=held.type.label,
        state=sync_state(held, now),
        wildcard=held.interest.wildcard,
        asked=len(held.interest.names),
        held=len(held.held.sent),
        nonce_sent=exchange.nonce or None,
        version_sent=version(exchange.stated) if exchange.nonce else None,
        change_sent=exchange.revision or None,
        sent=sent,
        nonce_acknowledged=exchange.accepted_nonce or None,
        version_acknowledged=version(exchange.accepted_state) if exchange.accepted_nonce else None,
        change_acknowledged=exchange.accepted_revision or None,
        lag=_lag(held.lacking),
        in_flight_since=at(exchange.since) if exchange.awaiting else None,
        last_nack=views.NackView(last.reason, at(last.at) or "", last.nonce) if last else None,
    )


def _lag(lacking: Iterable[Delivery]) -> views.LagView | None:
    """What several types lack counts once."""
    found = set(lacking)
    if not found:
        return None
    changes = sum(each.changes for each in found)
    return views.LagView(changes, views.moment(wall(min(each.since for each in found))))
