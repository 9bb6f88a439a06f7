"""How what a proxy was sent differs from what it should have now."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

from pilothouse.admin.api import views
from pilothouse.admin.api.inquiry import Wanted
from pilothouse.admin.reading.proxies import missing, sync_state, unaccepted
from pilothouse.admin.reading.resources import begin, fitting, message, services_of, size, types_of
from pilothouse.admin.reading.services import Parts
from pilothouse.encoding.resources import Resource
from pilothouse.encoding.types import TYPES, ResourceType
from pilothouse.protocol.holdings import ReportedVersion
from pilothouse.protocol.subscription import Subscription
from pilothouse.server.discovery import Discovery
from pilothouse.server.session import Session
from pilothouse.serving.world import World
from pilothouse.structures.turns import Steps, in_turns

_TURN_S = 0.002
_STEP = 50  # names that are compared in a step


class _Different(NamedTuple):
    """A resource that differs: what the client should have, and what it was sent."""

    type: ResourceType
    name: str
    state: views.Difference
    wanted: Resource | None
    held: Resource | ReportedVersion | None


async def diff(parts: Parts, discovery: Discovery, node: str, wanted: Wanted) -> views.DiffView:
    """The resources that differ, by type and name. Raises Missing, and Mistaken for an unknown type."""
    types = types_of(wanted)
    sessions = discovery.roster.of(node)
    if not sessions:
        raise await missing(discovery.roster, node)
    found: list[_Different] = []
    for type in types:
        for session in sessions:
            subscription = session.stream.subscriptions.get(type)
            if subscription is not None and session.world is not None and len(found) <= wanted.limit:
                steps = _differing(session.world, subscription, wanted, wanted.limit + 1 - len(found))
                found += await in_turns(steps, _TURN_S)
    states = tuple(_states(sessions))
    shown = found[: fitting((size(each.wanted) + size(each.held) for each in found), wanted)]
    items = [await _row(parts, each, content=wanted.content) for each in shown]
    in_sync = not found and not wanted.after and all(each.state in ("SYNCED", "IDLE") for each in states)
    last = items[-1] if len(found) > len(items) else None
    return views.DiffView(node, in_sync, states, tuple(items), f"{last.type}:{last.name}" if last else None)


async def _row(parts: Parts, one: _Different, *, content: bool) -> views.DiffRow:
    return views.DiffRow(
        one.type.label,
        one.name,
        one.state,
        *_versions(one.wanted, one.held),
        tuple(map(str, sorted(services_of(parts, one.type, one.name)))),
        await message(one.wanted) if content else None,
        await message(one.held) if content else None,
    )


def _states(sessions: list[Session]) -> Iterator[views.SubscriptionState]:
    now = time.monotonic()
    for session in sessions:
        held = session.stream.subscriptions
        for type in TYPES:
            if type in held:
                state = sync_state(held[type], now)
                yield views.SubscriptionState(type.label, state)


def _differing(
    world: World, subscription: Subscription, wanted: Wanted, most: int
) -> Steps[list[_Different]]:
    """The first resources of one type on this page that differ."""
    type, interest, sent = subscription.type, subscription.interest, subscription.held.sent
    for _ in world.prepare(type, interest.names, interest.wildcard):
        yield
    asked = world.selection(type).resources.keys() if interest.wildcard else interest.names
    beyond, find, doubted = begin(type, wanted), world.finder(type), unaccepted(subscription)
    names = sorted(name for name in asked | sent.keys() if name > beyond and wanted.name in ("", name))
    found: list[_Different] = []
    for count, name in enumerate(names, 1):
        resource, held = find(name) if interest.wants(name) else None, sent.get(name)
        unproven = doubted is None or name in doubted
        state = _state(_versions(resource, held), unproven, subscription.exchange.awaiting)
        if state is not None:
            same = resource is not None and held is not None and resource.version == held.version
            found.append(_Different(type, name, state, resource, resource if same else held))
        if len(found) == most:
            break
        if count % _STEP == 0:
            yield
    return found


def _versions(
    wanted: Resource | None, held: Resource | ReportedVersion | None
) -> tuple[str | None, str | None]:
    return wanted.version if wanted else None, held.version if held else None


def _state(
    versions: tuple[str | None, str | None], unproven: bool, awaiting: bool
) -> views.Difference | None:
    """How a resource differs whose wanted version and sent version these are. None if it does not."""
    wanted, sent = versions
    if wanted != sent:
        return "missing" if sent is None else "extra" if wanted is None else "older"
    if sent is not None and unproven:
        return "unanswered" if awaiting else "rejected"
    return None
