"""The state of one type on one stream. From it follows what the client lacks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from pilothouse.encoding.resources import Resource, Selection
from pilothouse.encoding.types import ResourceType
from pilothouse.protocol.agenda import Agenda
from pilothouse.protocol.difference import Difference
from pilothouse.protocol.exchange import Exchange
from pilothouse.protocol.holdings import Holdings, ReportedVersion
from pilothouse.protocol.interest import Interest
from pilothouse.serving.world import World
from pilothouse.structures.delivery import Deliveries, Delivery, left, unneeded

# This many names or more are looked up together and are not sorted, because sorting would take longest.
_MANY = 1000


@dataclass(slots=True)
class Report:
    """What a reconnecting client said in its first request that it has from an earlier stream."""

    # SotW: version_info. Delta: the version of each resource. Cleared once it has been evaluated.
    said: str | Mapping[str, str] = ""
    returning: bool = False  # it reconnected, and was sent nothing on this stream yet
    unproven: bool = False  # it has some state, and nobody knows which
    blind: bool = False  # SotW: it reconnected, and the versions of its resources are unknown
    proven: bool = False  # it has the current state

    def prove(self) -> None:
        """Note that the client has the current state."""
        self.said, self.proven = "", True

    def doubt(self, unproven: bool) -> None:
        """Note that the client cannot prove that it has the current state.

        `unproven`: it may hold resources that it no longer uses or that no longer exist.
        """
        self.said, self.unproven = "", unproven

    def narrow(self, interest: Interest) -> None:
        """Drop the reported versions of resources that the client no longer wants."""
        if isinstance(self.said, Mapping):
            self.said = {name: version for name, version in self.said.items() if interest.wants(name)}

    def settle(self) -> None:
        """Note that the world is complete now, so nothing that the client has can be in an unknown place."""
        self.unproven = False

    def replaced(self) -> None:
        """Note that the client was sent a response on this stream."""
        self.returning = False


@dataclass(slots=True)
class Subscription:
    """What the stream machine knows of one type, in parts. Each part changes by its own methods only."""

    type: ResourceType
    interest: Interest
    agenda: Agenda
    report: Report
    exchange: Exchange = field(default_factory=Exchange)
    held: Holdings = field(default_factory=Holdings)
    unknown: int = 0  # how often the client asked for a name that does not exist

    @property
    def stirring(self) -> bool:
        """Whether there may be something to send."""
        agenda = self.agenda
        return bool(agenda.dirty or agenda.requested or self.held.gone_since or agenda.rescan or agenda.due)

    @property
    def lacking(self) -> Deliveries:
        """The changes that the client has not answered or was not sent, the oldest first."""
        return (*self.exchange.pushed, *self.agenda.noted)

    def notify(self, names: frozenset[str], delivery: Delivery | None = None) -> bool:
        """Note what changed in the world.

        Returns whether the client wants some of it and can be sent it now.
        """
        interest = self.interest
        wanted = names if interest.wildcard else names & interest.names
        if not wanted:
            return False
        self.agenda.change(wanted, delivery, self.exchange.client)
        return not self.exchange.awaiting

    def want(self, interest: Interest) -> None:
        """Note what the client wants from now on."""
        self.interest = interest

    def forget_unwanted(self) -> None:
        """Treat unwanted names as never sent and never requested."""
        if self.interest.wildcard:
            return
        unwanted = self.held.sent.keys() - self.interest.names
        if unwanted:
            self.held.forget(unwanted)
        self.agenda.keep(self.interest.names)

    def again(self, names: Collection[str]) -> None:
        """Answer for those of these names that the client wants, as if it had asked again."""
        self.agenda.request(filter(self.interest.wants, names))

    def remind(self) -> None:
        """Send again what the last response states, because the client has not answered it."""
        self.again(self.exchange.lapse())
        self.agenda.respond()

    def release(self) -> bool:
        """Look again at withheld names, because more is known now.

        Returns whether there is something to do.
        """
        withheld, sent = self.agenda.released(), self.held.sent.keys()
        wanted = frozenset(filter(self.interest.wants, withheld))
        self.agenda.change(wanted & sent)
        self.agenda.request(wanted - sent)
        return bool(withheld) or self.report.unproven

    def selected(self, world: World) -> Selection:
        """All existing resources that the client wants."""
        interest = self.interest
        return world.selection(self.type) if interest.wildcard else world.chosen(self.type, interest.names)

    def preparing(self, world: World) -> Iterator[object]:
        """Prepare, in small steps, what would take the next turn long."""
        interest, requested = self.interest, self.agenda.requested
        if self.agenda.rescan and not self.held.sent:
            yield from world.prepare(self.type, interest.names, interest.wildcard)
        elif len(requested) > _MANY:
            yield from world.prepare(self.type, frozenset(requested), wildcard=False)

    def responded(
        self, nonce: str, before: bytes, after: bytes, difference: Difference | None = None
    ) -> None:
        """Note that a response was sent. Its ACK has the bytes `before` and `after` around the names.

        It states the difference, or else everything.
        """
        self.exchange.sent(nonce, before, after, self.agenda.taken(), self.held.fingerprint, difference)
        self.report.replaced()
        self.agenda.clear()

    def record(self, difference: Difference) -> None:
        """Note that this was sent."""
        if difference.whole is not None:
            self.held.restate(difference.whole)
        else:
            self.held.add(difference.changed)

    def settle(self) -> None:
        """Note that everything up to now needs no response."""
        self.agenda.clear()
        if not self.held.gone_since:  # the client has yet to be told what is gone
            unneeded(self.agenda.taken(), self.exchange.client)

    def end(self) -> None:
        """Note that the stream has ended. Nobody waits any more for what its client has not answered."""
        left(self.agenda.taken(), self.exchange.client)
        self.exchange.end()

    def kept(self, gone: Collection[str]) -> list[Resource]:
        """Requested resources that no longer exist but may not be taken away yet.

        They are sent as they were.
        """
        gone_since, sent = self.held.gone_since, self.held.sent
        names = sorted((self.agenda.requested & gone_since.keys()).difference(gone))
        return [held for name in names if isinstance(held := sent[name], Resource)]

    def difference(self, world: World, now: float) -> Difference:
        """What to send now. The cost is proportional to what changed, unless the client changed its
        interest.
        """
        absent = _is_known if world.complete else partial(self._is_absent, world)
        requested, interest = self.agenda.requested, self.interest
        held, sent = self.held, self.held.sent
        if self.agenda.rescan and not sent and (world.complete or not self.report.blind):
            whole = self.selected(world)
            missing = [name for name in _in_order(requested - whole.resources.keys()) if absent(name)]
            self.unknown += len(missing)
            return Difference([*whole.resources.values()], missing, whole=whole)
        difference = Difference([], [])
        suspects = self._suspects(world)
        find = self._finder(world, suspects)
        for name in suspects:
            resource = find(name) if interest.wildcard or name in interest.names else None
            before = sent.get(name)
            if resource is None:
                self._note_missing(name, before, difference, absent, now)
                continue
            held.find(name)
            if before is None or before.version != resource.version or name in requested:
                if self._may_have_more(before) and world.is_partial(self.type, name):
                    self.agenda.withhold(name)
                else:
                    difference.changed.append(resource)
        self.unknown += len(difference.missing)
        return difference

    def _note_missing(
        self,
        name: str,
        before: Resource | ReportedVersion | None,
        difference: Difference,
        absent: Callable[[str], bool],
        now: float,
    ) -> None:
        """Note a name without a resource.

        If the resource may be in a place that cannot be read, say nothing.
        """
        if type(before) is not Resource and not absent(name):
            return
        if before is not None:
            self.held.miss(name, now)
        if name in self.agenda.requested and not isinstance(before, Resource):
            difference.missing.append(name)

    def _may_have_more(self, before: Resource | ReportedVersion | None) -> bool:
        """Whether the client may have more of this resource, from an earlier stream, than can be read now."""
        return type(before) is ReportedVersion or (before is None and self.report.blind)

    def _is_absent(self, world: World, name: str) -> bool:
        """Whether the resource is known not to exist. If that is not known yet, the name is withheld."""
        if not self.interest.wants(name) or world.is_absent(self.type, name):
            return True
        self.agenda.withhold(name)
        return False

    def _suspects(self, world: World) -> Collection[str]:
        dirty, requested = self.agenda.dirty, self.agenda.requested
        if not self.agenda.rescan:
            few = not requested and len(dirty) <= 1
            return dirty if few else _in_order(dirty | requested)
        interest = self.interest
        wanted = world.selection(self.type).resources.keys() if interest.wildcard else interest.names
        return _in_order({*wanted, *self.held.sent, *requested})

    def _finder(self, world: World, names: Collection[str]) -> Callable[[str], Resource | None]:
        if len(names) < _MANY:
            return world.finder(self.type)
        return world.chosen(self.type, frozenset(names)).resources.get


def _in_order(names: Collection[str]) -> Collection[str]:
    """Sorted for human readers. Nobody reads a thousand names, so these are left in any order."""
    return sorted(names) if len(names) < _MANY else names


def _is_known(_: str) -> bool:
    """While every place can be read, a missing resource is known not to exist."""
    return True
