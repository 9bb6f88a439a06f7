"""What has changed and who has answered; what was rejected, and whose fault it is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from pilothouse.admin.api import views
from pilothouse.admin.api.inquiry import Mistaken
from pilothouse.admin.reading.proxies import cursor
from pilothouse.admin.reading.services import Parts
from pilothouse.encoding.types import ResourceType
from pilothouse.model.services import ServiceName
from pilothouse.registry.differences import EndpointsDifference
from pilothouse.registry.revisions import Publication, Revision, Revisions
from pilothouse.server.discovery import Discovery
from pilothouse.server.rejections import Rejection, Rejections
from pilothouse.server.session import Session
from pilothouse.structures.turns import Steps, Turn, at_once
from pilothouse.structures.written import quoted

_TURN_S = 0.002
_STEP = 20  # revisions that are searched in a step
NAMED = 20  # so many services of a change are shown
_WAITING = 20  # so many proxies that have not answered are named


def numbered(text: str, parameter: str = "after") -> int | None:
    """The number of a change as a parameter says it; None without one. Raises Mistaken."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Mistaken(f"{parameter}: must be the number of a change, not {quoted(text)}")
    return int(text)


def matching(
    revisions: Revisions, wanted: ServiceName | None, begun: float, most: int, before: int | None
) -> Steps[list[Revision]]:
    """The latest revisions in memory that are about a service, or about any, the newest first."""
    found: list[Revision] = []
    for count, one in enumerate(reversed(list(revisions.recent)), 1):
        if one.at < begun or len(found) == most:
            break
        if (before is None or one.number < before) and (wanted is None or wanted in one.names):
            found.append(one)
        if count % _STEP == 0:
            yield
    return found


def shown(
    revisions: Revisions,
    one: Revision,
    wanted: ServiceName | None,
    most: int = NAMED,
) -> views.ChangeView:
    """A change as lists show it: with one service, or with the first ones."""
    published = revisions.publication(one.number)
    names = (wanted,) if wanted else one.names[:most]
    services = tuple(_changed(one, published, name) for name in names)
    return views.ChangeView(
        one.number,
        views.moment(one.at),
        one.source,
        one.touched,
        services,
        one.place or None,
        _told(one, published) if published else None,
        tuple(islice(published.delivery.awaited, _WAITING)) if published else (),
        delay=round(one.delay, 3),
        trace_id=revisions.traced(one.number) or None,
    )


def _changed(one: Revision, published: Publication | None, name: ServiceName) -> views.ChangedView:
    place = one.place_of(name)
    found = published.differences.get(name) if published else None
    return views.ChangedView(
        str(name),
        place if place != one.place else None,
        published.words.get(name) if published else None,
        _endpoints(found.endpoints) if found and found.endpoints else None,
        tuple(views.FieldChangedView(*each) for each in found.fields) if found else (),
    )


def _endpoints(found: EndpointsDifference) -> views.EndpointsChangedView:
    moved = found.added, found.removed, found.changed
    some = (views.AddressesView(each.count, each.first) if each and each.count else None for each in moved)
    return views.EndpointsChangedView(found.before, found.after, *some)


def _told(one: Revision, published: Publication) -> views.ToldView:
    delivery = published.delivery
    last = delivery.confirmed_at
    return views.ToldView(
        at=views.moment(published.at),
        proxies=delivery.proxies,
        acknowledged=delivery.acknowledged,
        rejected=delivery.refused,
        left=delivery.left,
        outstanding=delivery.outstanding,
        unneeded=delivery.unneeded,
        rejected_by=tuple(delivery.refusers),
        left_by=tuple(delivery.leavers),
        waited=round(max(0.0, last - one.since), 3) if last is not None else None,
        slowest=delivery.confirmed_by or None,
        answered=tuple(
            views.AnsweredView(
                each.by, round(max(0.0, each.at - one.since), 3), each.to or None, each.refused or None
            )
            for each in reversed(delivery.answers)
        ),
    )


async def nacks(parts: Parts, discovery: Discovery, limit: int, after: str) -> views.NackList:
    """The rejections that are not over, by proxy, in turns."""
    node, number = cursor(after)
    turn, found, last = Turn(_TURN_S), list[views.NackRow](), ""
    for count, session in list(discovery.roster.after(node, number)):
        if session.rejecting and len(found) >= limit:
            return views.NackList(tuple(found), last)
        found += _rejections(parts, discovery.rejections, session)
        if session.rejecting:
            last = f"{count}:{session.node_id}"
        await turn.over()
    return views.NackList(tuple(found))


def _rejections(parts: Parts, rejections: Rejections, session: Session) -> Iterator[views.NackRow]:
    for type in sorted(session.rejecting, key=lambda each: each.label):
        found = rejections.by(session, type)
        if found is not None:
            yield rejected(parts, session, type, found)


def rejected(parts: Parts, session: Session, type: ResourceType, found: Rejection) -> views.NackRow:
    """What a client rejects of a type."""
    exchange = session.stream.subscriptions[type].exchange
    nack, latest = exchange.nack, exchange.revision + 1
    return views.NackRow(
        node=session.node_id,
        peer=session.peer,
        type=type.label,
        text=found.reason,
        since=views.moment(found.since_s),
        nonce=nack.nonce if nack else "",
        resource=found.resource,
        services=tuple(_blamed(parts, name, latest) for name in sorted(found.about)),
    )


def _blamed(parts: Parts, name: ServiceName, before: int) -> views.BlamedView:
    declared = parts.registry.declared(name)
    last = at_once(matching(parts.registry.revisions, name, 0.0, 1, before))
    return views.BlamedView(
        service=str(name),
        quarantined=name in parts.catalogue.quarantined,
        source=declared.source if declared else None,
        place=declared.place or None if declared else None,
        change=last[0].number if last else None,
    )
