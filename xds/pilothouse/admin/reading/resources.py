"""The resources that a client has, and those that it would get: names, versions, services and content."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeAlias

from pilothouse.admin.api import views
from pilothouse.admin.api.inquiry import Mistaken, Wanted
from pilothouse.admin.reading.proxies import depends_on, missing, place
from pilothouse.admin.reading.services import Parts
from pilothouse.encoding.contents import contents
from pilothouse.encoding.resources import Resource
from pilothouse.encoding.types import TYPES, ResourceType
from pilothouse.mesh.audience import BadNode
from pilothouse.model.services import ServiceName
from pilothouse.protocol.holdings import ReportedVersion
from pilothouse.registry.revisions import Revisions
from pilothouse.server.discovery import Discovery
from pilothouse.server.node import written
from pilothouse.server.session import Session
from pilothouse.serving.attribution import attributed
from pilothouse.serving.world import World
from pilothouse.structures.threads import on_a_thread
from pilothouse.structures.turns import Steps, Turn, in_turns
from pilothouse.structures.written import quoted

_TURN_S = 0.002
_STEP = 20  # revisions that are searched in a step
# A page with content ends after so many encoded bytes, which are about ten times as many in JSON. Its first
# resource is on it, however large.
_LARGEST = 1 << 17

_Held: TypeAlias = Resource | ReportedVersion
_LABELS: Mapping[str, ResourceType] = {each.label: each for each in sorted(TYPES, key=lambda one: one.label)}


async def held(parts: Parts, discovery: Discovery, node: str, wanted: Wanted) -> views.ResourceList:
    """What a proxy holds, by type and name. Raises Missing, and Mistaken for an unknown type."""
    types = types_of(wanted)
    sessions = discovery.roster.of(node)
    if not sessions:
        raise await missing(discovery.roster, node)
    turn, found = Turn(_TURN_S), list[tuple[ResourceType, str, _Held]]()
    for type in types:
        if len(found) <= wanted.limit:
            for session, name, one in _first(sessions, type, wanted, wanted.limit + 1 - len(found)):
                found.append((type, name, known(session.world, type, name, one) if wanted.content else one))
                await turn.over()
        await turn.over()
    return await shown(parts, found, wanted)


def known(world: World | None, type: ResourceType, name: str, held: _Held) -> _Held:
    """What a client holds. Of what it has brought from an earlier stream, only the version is known; if that
    is the version that is served, so is the rest.
    """
    if isinstance(held, Resource) or world is None:
        return held
    served = world.get(type, name)
    return served if served is not None and served.version == held.version else held


def types_of(wanted: Wanted) -> Sequence[ResourceType]:
    """The types to list that do not come before the page, by label."""
    if wanted.type and wanted.type not in _LABELS:
        raise Mistaken(f"type: must be one of {', '.join(_LABELS)}, not {quoted(wanted.type)}")
    chosen = [_LABELS[wanted.type]] if wanted.type else _LABELS.values()
    return [type for type in chosen if type.label >= wanted.after.partition(":")[0]]


def _first(
    sessions: Iterable[Session], type: ResourceType, wanted: Wanted, most: int
) -> Iterator[tuple[Session, str, _Held]]:
    """The first resources of one type on this page, each with a stream. Not all are sorted to find them."""
    all_held = [
        (each, each.stream.subscriptions[type].held.sent)
        for each in sessions
        if type in each.stream.subscriptions
    ]
    beyond = begin(type, wanted)
    if wanted.name:
        names = {wanted.name for _, sent in all_held if wanted.name in sent and wanted.name > beyond}
    else:
        names = {name for _, sent in all_held for name in sent if name > beyond}
    for name in heapq.nsmallest(most, names):
        session, sent = next(each for each in reversed(all_held) if name in each[1])
        yield session, name, sent[name]


def begin(type: ResourceType, wanted: Wanted) -> str:
    """The name after which the page begins, in one type."""
    label, _, name = wanted.after.partition(":")
    return name if type.label == label else ""


async def would_get(
    parts: Parts, discovery: Discovery, said: Mapping[str, object], wanted: Wanted
) -> views.WouldGetView:
    """What a client with this node would get, by type and name. Only what is shown is encoded."""
    try:
        node = await on_a_thread(lambda: written(said), "node")
        world = discovery.supposed(node)
    except BadNode as bad:
        raise Mistaken(str(bad)) from None
    found: list[tuple[ResourceType, str, _Held]] = []
    for type in types_of(wanted):
        if not (type.service or wanted.type):
            continue  # no type of Envoy's, and nobody has asked for it
        if len(found) <= wanted.limit:
            found += await in_turns(_supposed(world, type, wanted, wanted.limit + 1 - len(found)), _TURN_S)
    page, client = await shown(parts, found, wanted), world.audience
    unknown = parts.catalogue.unknown_dependencies(client.scope)
    return views.WouldGetView(
        node.id,
        client.namespace,
        place(client.locality),
        client.dialect.value,
        client.capture.value,
        page.items,
        page.next,
        client.node or None,
        tuple(depends_on(client.dependencies)),
        tuple(each.what for each in unknown),
    )


def _supposed(
    world: World, type: ResourceType, wanted: Wanted, most: int
) -> Steps[list[tuple[ResourceType, str, _Held]]]:
    """The first resources of one type on this page, for a client that may have all that it sees."""
    beyond = begin(type, wanted)
    found: list[tuple[ResourceType, str, _Held]] = []
    for name in (wanted.name,) if wanted.name else (yield from _names(world, type, beyond)):
        resource = world.get(type, name) if name > beyond else None
        if resource is not None:
            found.append((type, name, resource))
        if len(found) == most:
            break
        yield
    return found


def _names(world: World, type: ResourceType, beyond: str) -> Steps[list[str]]:
    """The names of all resources of one type after this one. For load assignments, those of the clusters:
    each of these has one, if it needs one, and to encode all of them would take long.
    """
    known_by = ResourceType.CLUSTER if type is ResourceType.ENDPOINTS else type
    for _ in world.prepare(known_by, frozenset(), wildcard=True):
        yield
    return sorted(name for name in world.selection(known_by).resources if name > beyond)


async def shown(
    parts: Parts, found: Sequence[tuple[ResourceType, str, _Held]], wanted: Wanted
) -> views.ResourceList:
    """The page with what was found, of which one more than fits says that there are more."""
    kept = found[: fitting((size(each) for _, _, each in found), wanted)]
    services = {name: services_of(parts, type, name) for type, name, _ in kept}
    latest = await in_turns(_latest(parts.registry.revisions, services.values()), _TURN_S)
    items = []
    for type, name, held in kept:
        about = sorted(services[name])
        inside = await message(held) if wanted.content else None
        items.append(
            views.ResourceRow(
                type.label,
                name,
                held.version or None,
                tuple(map(str, about)),
                max((latest[each] for each in about if each in latest), default=None),
                inside,
            )
        )
    more = items and len(found) > len(kept)
    return views.ResourceList(tuple(items), f"{items[-1].type}:{items[-1].name}" if more else None)


async def message(resource: _Held | None) -> dict[str, Any] | None:
    """Envoy's message as JSON, without keys and passwords. None if it is not known."""
    return await in_turns(contents(resource), _TURN_S) if isinstance(resource, Resource) else None


def size(resource: _Held | None) -> int:
    """The length of what is encoded, in bytes. 0 if that is not known."""
    return len(resource.any) if isinstance(resource, Resource) else 0


def fitting(sizes: Iterable[int], wanted: Wanted) -> int:
    """How many of the first resources are on the page whose contents have these sizes."""
    total = count = 0
    for each in islice(sizes, wanted.limit):
        total += each
        if wanted.content and count and total > _LARGEST:
            break
        count += 1
    return count


def services_of(parts: Parts, type: ResourceType, name: str) -> frozenset[ServiceName]:
    """The services that a resource is about, if they are few."""
    if type in (ResourceType.RUNTIME, ResourceType.SECRET):
        return frozenset()
    return attributed(name, parts.catalogue).services


def _latest(revisions: Revisions, about: Iterable[frozenset[ServiceName]]) -> Steps[dict[ServiceName, int]]:
    """The latest change of each of these services, as far as it is remembered."""
    wanted = set[ServiceName]().union(*about)
    found: dict[ServiceName, int] = {}
    for count, one in enumerate(reversed(list(revisions.recent)), 1):
        if len(found) == len(wanted):
            break
        for name in wanted.intersection(one.names):
            found.setdefault(name, one.number)
        if count % _STEP == 0:
            yield
    return found
