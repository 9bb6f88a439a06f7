"""Carries changes from the registry to the streams, and logs them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from itertools import chain, islice

import structlog

from pilothouse.model.services import ServiceName
from pilothouse.registry.differences import difference
from pilothouse.registry.guard import Hold
from pilothouse.registry.merged import Registry
from pilothouse.registry.news import Item, News
from pilothouse.server.discovery import Discovery
from pilothouse.serving.catalogue import Catalogue
from pilothouse.serving.census import Census
from pilothouse.serving.naming import Names
from pilothouse.sources import Source
from pilothouse.structures.dirty import DirtySet
from pilothouse.structures.turns import in_turns

log = structlog.get_logger(__name__)

# Do not interrupt a fan-out to a thousand streams. Handling answers would only delay the last streams.
FAN_OUT_S = 0.04
# Up to this many changes are logged one by one. The log lets ten lines of a kind pass in a second.
_TOLD = 5
# Of how many services of a publication it is remembered in words what happened, and in how many characters.
# Up to how many it is remembered in a few words.
_WORDED, _LONGEST, _BRIEF = 20, 200, 2000
_DETAILED = 5  # of how many in values, too
_LATEST = 20  # how many of the latest revisions are searched for the place of a change
# Count in slices of about this length, with pauses, so that counting takes a hundredth of the time.
_COUNTING_S = 0.002
_COUNTED_EVERY_S = 1.0


async def publish(
    registry: Registry,
    catalogue: Catalogue,
    discovery: Discovery,
    uncounted: DirtySet[ServiceName],
    tell: Sequence[Callable[[Collection[ServiceName]], None]] = (),
) -> None:
    """Carry changes from the registry to the streams for ever, and `tell` of them after they are sent."""
    while True:
        names = await publish_next(registry, catalogue, discovery, uncounted)
        for each in tell:
            each(names)


async def publish_next(
    registry: Registry, catalogue: Catalogue, discovery: Discovery, uncounted: DirtySet[ServiceName]
) -> Collection[ServiceName]:
    """Wait for a change and publish it, together with the others that have come since. Returns the names.

    `uncounted` collects the services whose omissions may have changed.
    """
    names = await registry.changed.take()
    delivery = registry.revisions.take()
    revision = registry.revisions.published
    # Read this now: names that are marked during the work may complete the registry, but are not served yet.
    known = registry.complete, registry.partial
    before = set(catalogue.quarantined)
    changes = await in_turns(catalogue.applying(sorted(names), registry.services))
    catalogue.revision = revision
    more_is_known = catalogue.knowledge.learn(*known)
    await in_turns(discovery.publishing(changes, delivery), FAN_OUT_S)
    if more_is_known:
        discovery.release()
    uncounted.mark(names)
    uncounted.mark(change.service.name for change in changes)
    for name in sorted(catalogue.quarantined.keys() - before):
        log.error(
            "service quarantined",
            stays="its last good version" if catalogue.serves(name) else "nothing",
            service=str(name),
            reason=catalogue.quarantined[name].reason,
        )
    return names


async def count(uncounted: DirtySet[ServiceName], census: Census) -> None:
    """Count the omissions of changed services for ever, slowly, because other work is more urgent."""
    while True:
        names = await uncounted.take()
        total_s, begun = 0.0, time.monotonic()
        for _ in chain.from_iterable(map(census.counting, names)):
            spent_s = time.monotonic() - begun
            if spent_s >= _COUNTING_S:
                total_s += spent_s
                await asyncio.sleep(9 * spent_s)
                begun = time.monotonic()
        # A service that changes all the time is counted once in a while.
        await asyncio.sleep(max(_COUNTED_EVERY_S, 90 * total_s))


async def publish_first(
    registry: Registry, catalogue: Catalogue, discovery: Discovery, uncounted: DirtySet[ServiceName]
) -> None:
    """Publish all that the sources have reported by now, and say that it is that."""
    await publish_next(registry, catalogue, discovery, uncounted)
    number = len(registry.services)
    words = f"first load: {number:,} service{'s' * (number != 1)}"
    registry.revisions.describe(dict.fromkeys(islice(registry.services, _BRIEF), words), {})


def log_loaded(sources: Sequence[Source], registry: Registry, took_s: float) -> None:
    """Log how much was loaded. Only problems are logged one by one."""
    log.info(
        "loaded",
        services=len(registry.services),
        endpoints=sum(len(service.endpoints) for service in registry.services.values()),
        left_out=sum(sum(source.left_out.values()) for source in sources),
        faults=sum(not fault.warning for source in sources for fault in source.faults),
        took_s=round(took_s, 1),
    )


def telling(registry: Registry, catalogue: Catalogue) -> Callable[[Collection[ServiceName]], None]:
    """A function that logs changes of services, compared with what is loaded now."""
    news = News()
    news.learn(registry.services)

    def tell(names: Collection[ServiceName]) -> None:
        told = list(news.follow(names, registry.services, catalogue.quarantined))
        words = {item.service: _short(item.what) for item in told[:_WORDED]}
        words |= {item.service: item.brief for item in told[_WORDED:_BRIEF]}
        held = islice(sorted(catalogue.quarantined.keys() & names), _WORDED)
        refused = {name: _short(f"not accepted: {catalogue.quarantined[name].reason}") for name in held}
        details = {item.service: difference(item.before, item.after) for item in told[:_DETAILED]}
        registry.revisions.describe({**words, **refused}, details)
        _log_changes(registry, told)

    return tell


def completing(names: Names, discovery: Discovery) -> Callable[[Collection[ServiceName]], None]:
    """A function that tells resolvers once all services are known."""

    def tell(_: Collection[ServiceName]) -> None:
        discovery.publish(names.news())

    return tell


def watching_holds(
    registry: Registry, noted: Callable[[str, str, str], None]
) -> Callable[[Collection[ServiceName]], None]:
    """A function that logs and notes the holds that have begun or ended. They are looked at once now.

    `noted` is told which source, what, and about what.
    """
    held: dict[str, Hold] = {}

    def tell(_: Collection[ServiceName] = ()) -> None:
        _log_holds(registry, held, noted)

    tell()
    return tell


def _short(words: str) -> str:
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…"


def _log_changes(registry: Registry, told: Sequence[Item]) -> None:
    """Log a line for each service that has changed and is served in its new version."""
    for item in told[:_TOLD]:
        source, place = _place(registry, item.service)
        log.info("change accepted", source=source, place=place, service=str(item.service), what=item.what)
    if len(told) > _TOLD:
        log.info(f"and {len(told) - _TOLD:,} more changes accepted")


def _place(registry: Registry, name: ServiceName) -> tuple[str, str]:
    """The source that has changed a service last, and the place. Only the latest revisions are searched."""
    latest = islice(reversed(registry.revisions.recent), _LATEST)
    return next(((one.source, one.place_of(name)) for one in latest if name in one.names), ("", ""))


def _log_holds(registry: Registry, held: dict[str, Hold], noted: Callable[[str, str, str], None]) -> None:
    """Log and note the holds that have begun or ended since the last call."""
    for source in registry.sources:
        hold, before = registry.held(source), held.get(source)
        if hold is not None and before is None:
            log.error(
                "a loss is held: services disappeared without being removed",
                source=source,
                services=len(hold.names),
                endpoints=hold.endpoints,
                for_s=round(hold.until - hold.since),
            )
            held[source] = hold
            lost = f"{len(hold.names):,} services, {hold.endpoints:,} endpoints"
            noted(source, f"a loss is held: {lost}", source)
        elif hold is None and before is not None:
            log.warning("a hold has ended", source=source, services=registry.count(source))
            del held[source]
            noted(source, "the hold has ended", source)
