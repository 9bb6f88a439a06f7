"""Carries out what an operator orders. Each order is logged with who gave it, and why."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

import structlog
from msgspec import structs

from pilothouse.admin.api import views
from pilothouse.admin.api.inquiry import Missing, Mistaken
from pilothouse.admin.api.orders import Impossible
from pilothouse.admin.api.pages import hold_view
from pilothouse.admin.api.parameters import duration
from pilothouse.admin.observe import hold_status
from pilothouse.admin.orders.keeping import Edit, Keeper
from pilothouse.admin.orders.passing import Passed, Passing
from pilothouse.admin.reading.drains import drain_view
from pilothouse.admin.reading.services import named
from pilothouse.admin.status import HoldStatus, SourceStatus
from pilothouse.model.services import Service, ServiceName, State
from pilothouse.registry.drains import Drain, Drains, Target, covers, within, without
from pilothouse.registry.merged import Registry
from pilothouse.server.discovery import Discovery
from pilothouse.sources import Cause
from pilothouse.structures.nearness import near
from pilothouse.structures.turns import in_turns
from pilothouse.structures.written import brief, quoted

log = structlog.get_logger(__name__)

_LONGEST_S = 7 * 24 * 3600.0
_LONGEST_REASON = 500
_MOST_ADDRESSES = 100
_MOST_DRAINS = 10_000
_NAMED = 3


class Operator:
    """The running parts that an order may reach. `workers` is how many processes share the xDS port.

    With `passing`, orders that are about what each of them has are passed on.
    """

    def __init__(
        self,
        registry: Registry,
        discovery: Discovery,
        keeper: Keeper,
        workers: int = 1,
        passing: Passing | None = None,
    ) -> None:
        self._registry, self._discovery, self._keeper = registry, discovery, keeper
        self._workers, self._passing = workers, passing
        #: Called with who ordered, what, and about what.
        self.noted: Callable[[str, str, str], None] = lambda who, what, about: None

    async def begin(self) -> None:
        """Put into force what an earlier process was ordered. To be awaited before sources report."""
        await self._keeper.begin()

    async def run(self) -> None:
        """End drains when their time is over, and carry out what other workers pass on."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keeper.run())
            if self._passing is not None:
                tasks.create_task(self._passing.run(self._carry_out))

    async def drain(self, who: str, order: views.DrainOrder) -> views.DrainList:
        if self._workers > 1 and not self._keeper.lasting:
            raise Impossible("with --workers and --no-state, a drain would be in force at one worker only")
        reason, targets = _reason(order), _targets(order.addresses, order.service)
        lasts_s = _lasting(order.lasts)
        found = await in_turns(self._registry.having(targets))
        if not order.force:
            self._known(targets, found)
        now = time.time()
        drains = [Drain(target, who, reason, now, now + lasts_s) for target in targets]
        said = ", ".join(map(str, targets))
        spared = () if order.force else found
        await self._keep(partial(self._added, new=drains, spared=spared), f"{who} drains {said}", reason)
        self._ordered(order="drain", who=who, about=said, lasts_s=lasts_s, reason=reason, force=order.force)
        return views.DrainList(tuple(drain_view(self._registry, each) for each in drains))

    async def undrain(self, who: str, order: views.UndrainOrder) -> views.DrainList:
        reason, targets = _reason(order), _targets(order.addresses, order.service)
        ended = within(self._registry.drains, targets)
        for target in targets:
            if not within(ended, [target]):
                raise Missing(f"drain of {brief(str(target))}", self._drained_like(target))
        shown = views.DrainList(tuple(drain_view(self._registry, each) for each in ended))
        said = ", ".join(map(str, targets))
        await self._keep(partial(without, targets=targets), f"{who} ends the drain of {said}", reason)
        self._ordered(order="undrain", who=who, about=said, reason=reason)
        return shown

    def _drained_like(self, target: Target) -> tuple[str, ...]:
        """Some drains, those of the same address first."""
        known = [each.target for each in self._registry.drains]
        same = [each for each in known if each.address == target.address]
        return tuple(map(str, dict.fromkeys((*same, *known))))[:_NAMED]

    async def release(self, who: str, source: str, order: views.Order) -> views.DoneView:
        asked, held = Passed("release", source, who, _reason(order)), self._held(source)
        self._release(asked)
        done = f"the loss of {held.services} services and {held.endpoints} endpoints of {source} is believed"
        return views.DoneView(*await self._passed(asked, done))

    async def reject(self, who: str, source: str, order: views.Order) -> views.DoneView:
        asked, _ = Passed("reject", source, who, _reason(order)), self._held(source)
        self._reject(asked)
        held = self._held(source)
        done = f"what {source} has lost is kept until {views.moment(held.until)}, unless it is back before"
        found = views.DoneView(*await self._passed(asked, done))
        return structs.replace(found, hold=hold_view(SourceStatus(source, hold=held)))

    async def disconnect(self, who: str, node: str, order: views.Order) -> views.DoneView:
        asked = Passed("disconnect", node, who, _reason(order))
        streams = self._disconnect(asked)
        done = f"{streams} stream{'s' * (streams != 1)} of {node} closed; it connects again"
        if not streams:
            if self._passing is None:
                names = self._discovery.roster.nodes()
                elsewhere = " at this worker" if self._workers > 1 else ""
                raise Missing(f"stream of {brief(node)}{elsewhere}", await in_turns(near(node, names)))
            done = f"this worker has no stream of {node}"
        return views.DoneView(*await self._passed(asked, done))

    async def _passed(self, asked: Passed, done: str) -> tuple[str, str, None, str | None]:
        """What is done, by whom, and whether the other workers do not do the same."""
        others = self._workers - 1
        if not others:
            return done, asked.who, None, None
        try:
            if self._passing is not None:
                await self._passing.pass_on(asked)
                them = f"the other {others} workers" if others > 1 else "the other worker"
                return f"{done}; the order is passed on to {them}", asked.who, None, None
            why = "there is no state folder"
        except OSError as error:
            why = f"the state folder cannot be written ({error.strerror or 'no answer'})"
        beware = (
            f"this is one of {self._workers} workers, and {why}: order the same at the ports of the others"
        )
        return done, asked.who, None, beware

    def _carry_out(self, asked: Passed) -> None:
        """What another worker was asked. If there is nothing to do it with here, that is no mistake."""
        if asked.order == "disconnect":
            self._disconnect(asked)
        elif asked.about in self._registry.sources and self._registry.held(asked.about):
            (self._release if asked.order == "release" else self._reject)(asked)

    def _release(self, asked: Passed) -> None:
        services = self._held(asked.about).services
        self._registry.release(asked.about, Cause(_with(f"{asked.who} releases the hold", asked.reason)))
        self._ordered(**structs.asdict(asked), services=services)

    def _reject(self, asked: Passed) -> None:
        self._registry.prolong(asked.about)
        self._ordered(**structs.asdict(asked))

    def _disconnect(self, asked: Passed) -> int:
        """Returns how many streams are closed."""
        closed = self._discovery.roster.of(asked.about)
        for session in closed:
            self._discovery.disconnect(session, _with(f"{asked.who} disconnects it", asked.reason))
        if closed:
            self._ordered(**structs.asdict(asked), streams=len(closed))
        return len(closed)

    def _ordered(self, order: str, who: str, about: str, reason: str, **more: Any) -> None:
        log.info("order", order=order, who=who, about=about, reason=reason, **more)
        self.noted(who, f"{order}: {reason}" if reason else order, about)

    def _held(self, source: str) -> HoldStatus:
        """Raises Missing."""
        hold = self._registry.held(source) if source in self._registry.sources else None
        if hold is None:
            holding = [name for name in self._registry.sources if self._registry.held(name)]
            raise Missing(f"hold of the source {quoted(source)}", tuple(holding))
        return hold_status(hold)

    async def _keep(self, edit: Edit, said: str, reason: str) -> None:
        try:
            await self._keeper.change(edit, Cause(_with(said, reason)))
        except OSError as error:
            raise Impossible(
                f"the state folder cannot be written: {error.strerror or error}; nothing is changed"
            ) from None

    def _known(self, targets: Collection[Target], found: Collection[ServiceName]) -> None:
        """Raises Missing if an address is no endpoint."""
        services = [self._registry.services[name] for name in found if name in self._registry.services]
        for target in targets:
            if not any(covers(target, one.name, each) for one in services for each in one.endpoints):
                what = f"endpoint {brief(str(target))}"
                raise Missing(f"{what}; `force` drains it for the time when there is one")

    def _added(
        self, kept: Sequence[Drain], new: Sequence[Drain], spared: Collection[ServiceName]
    ) -> list[Drain]:
        """What is kept, and the new drains.

        Raises Impossible if they are too many, or if a service that is to be spared would have no endpoint
        left. What is kept counts, and not only what is in force here: another worker may have been ordered
        something just before.
        """
        again = {each.target for each in new}
        after = [*(each for each in kept if each.target not in again), *new]
        if len(after) > _MOST_DRAINS:
            raise Impossible(f"there would be more than {_MOST_DRAINS} drains")
        now, then = Drains(), Drains()
        now.replace(kept)
        then.replace(after)
        for name in spared:
            service = self._registry.services.get(name)
            if service and _is_called(now.applied(service)) and not _is_called(then.applied(service)):
                raise Impossible(
                    f"{name} would have no endpoint left that is called; `force` drains it all the same"
                )
        return after


def _is_called(service: Service) -> bool:
    return any(each.state is State.READY and each.weight > 0 for each in service.endpoints)


def _targets(addresses: Sequence[str], service: str | None) -> list[Target]:
    """What an order is about. Raises Mistaken."""
    if not 1 <= len(addresses) <= _MOST_ADDRESSES:
        raise Mistaken(f"addresses: must be 1 to {_MOST_ADDRESSES}, not {len(addresses)}")
    about = named(service) if service else None
    try:
        return list(dict.fromkeys(Target.parse(each, about) for each in addresses))
    except ValueError as wrong:
        raise Mistaken(f"addresses: {wrong}") from None


def _lasting(text: str) -> float:
    try:
        found = duration(text)
    except ValueError as wrong:
        raise Mistaken(f"lasts: {wrong}, not {quoted(text)}") from None
    if not 0 < found <= _LONGEST_S:
        raise Mistaken(f"lasts: must be from 1s to 7d, not {quoted(text)}")
    return found


def _reason(order: views.Order) -> str:
    if len(order.reason) > _LONGEST_REASON or not order.reason.isprintable():
        raise Mistaken(f"reason: must be one line of at most {_LONGEST_REASON} characters")
    return order.reason.strip()


def _with(said: str, reason: str) -> str:
    return f"{said}: {reason}" if reason else said
