"""The state of one type on one stream, and what follows from it: what the client lacks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from pilothouse.encoding.resources import Resource, Selection
from pilothouse.encoding.types import ResourceType
from pilothouse.protocol.agenda import Agenda
from pilothouse.protocol.exchange import Exchange
from pilothouse.protocol.holdings import Holdings, ReportedVersion
from pilothouse.protocol.interest import Interest
from pilothouse.serving.world import World
from pilothouse.structures.delivery import Delivery

# From so many names on they are looked up together, and not brought into order, which takes longest.
_MANY = 1000


@dataclass(slots=True)
class Report:
    """What a client says it has from an earlier stream, and what became of that."""

    # SotW: version_info; Delta: the version of each resource. Empty when it has been looked at.
    said: str | Mapping[str, str] = ""
    returning: bool = False  # until it is sent something: a client that has a state from an earlier stream
    unproven: bool = False  # it said that it has a state, and nobody knows which
    blind: bool = False  # SotW: of what the client has from an earlier stream nobody knows the versions
    proven: bool = False  # it has the current state

    def prove(self) -> None:
        """What the client has is the current state."""
        self.said, self.proven = "", True

    def doubt(self, unproven: bool) -> None:
        """Nothing proves that the client has the current state; `unproven` if it may have anything."""
        self.said, self.unproven = "", unproven

    def narrow(self, interest: Interest) -> None:
        """Of what it has, only what the client still wants matters."""
        if isinstance(self.said, Mapping):
            self.said = {name: version for name, version in self.said.items() if interest.wants(name)}

    def settle(self) -> None:
        """Everything is known, so nothing that the client has can be a part of it that is not."""
        self.unproven = False

    def replaced(self) -> None:
        """The client was sent something."""
        self.returning = False


@dataclass(slots=True)
class Difference:
    """What to tell a client."""

    changed: list[Resource]  # resources to send
    missing: list[str]  # names to say of that there is nothing
    gone: Sequence[str] = ()  # names to take away, which it has
    #: The selection that `changed` is all of, for a client that has nothing yet.
    whole: Selection | None = None


@dataclass(slots=True)
class Subscription:
    """Each part changes by its own methods only."""

    type: ResourceType
    interest: Interest
    agenda: Agenda
    report: Report
    exchange: Exchange = field(default_factory=Exchange)
    held: Holdings = field(default_factory=Holdings)
    unknown: int = 0  # how often a name was asked for of which there is nothing

    @property
    def stirring(self) -> bool:
        """Whether there may be something to send."""
        agenda = self.agenda
        return bool(agenda.dirty or agenda.requested or self.held.gone_since or agenda.rescan or agenda.due)

    def notify(self, names: frozenset[str], delivery: Delivery | None = None) -> bool:
        """Note what changed in the world; true if it can be sent now."""
        interest = self.interest
        wanted = names if interest.wildcard else names & interest.names
        if not wanted:
            return False
        self.agenda.change(wanted, delivery)
        return not self.exchange.awaiting

    def want(self, interest: Interest) -> None:
        """From now on the client wants this."""
        self.interest = interest

    def forget_unwanted(self) -> None:
        """Treat what is not wanted as never sent and never asked for."""
        if self.interest.wildcard:
            return
        unwanted = self.held.sent.keys() - self.interest.names
        if unwanted:
            self.held.forget(unwanted)
        self.agenda.keep(self.interest.names)

    def again(self, names: Collection[str]) -> None:
        """Answer for these, if they are wanted, as if the client had asked."""
        self.agenda.request(filter(self.interest.wants, names))

    def release(self) -> bool:
        """Look again at what was withheld, since more is known now; true if there is something."""
        withheld, sent = self.agenda.released(), self.held.sent.keys()
        wanted = frozenset(filter(self.interest.wants, withheld))
        self.agenda.change(wanted & sent)
        self.agenda.request(wanted - sent)
        return bool(withheld) or self.report.unproven

    def selected(self, world: World) -> Selection:
        """All that is subscribed to, of what there is."""
        interest = self.interest
        return world.selection(self.type) if interest.wildcard else world.chosen(self.type, interest.names)

    def preparing(self, world: World) -> Iterator[object]:
        """Make ready, in small steps, what the next turn would take long for."""
        interest, requested = self.interest, self.agenda.requested
        if self.agenda.rescan and not self.held.sent:
            yield from world.prepare(self.type, interest.names, interest.wildcard)
        elif len(requested) > _MANY:
            yield from world.prepare(self.type, frozenset(requested), wildcard=False)

    def responded(self, nonce: str, before: bytes, after: bytes) -> None:
        """A response was sent. A request that accepts it has `before` and `after` around the names."""
        self.exchange.sent(nonce, before, after, self.agenda.taken())
        self.report.replaced()
        self.agenda.clear()

    def record(self, difference: Difference) -> None:
        """This was sent."""
        if difference.whole is not None:
            self.held.restate(difference.whole)
        else:
            self.held.add(difference.changed)

    def settle(self) -> None:
        """Everything up to now has been looked at, and needs no response."""
        self.agenda.clear()
        if not self.held.gone_since:  # of which the client has yet to be told
            self.agenda.withdraw()

    def end(self) -> None:
        """The stream has ended: nobody waits for what its client has not answered."""
        self.agenda.withdraw()
        self.exchange.end()

    def kept(self, gone: Collection[str]) -> list[Resource]:
        """What was asked for and is about to go, but may not go yet: to be sent as it was."""
        gone_since, sent = self.held.gone_since, self.held.sent
        names = sorted((self.agenda.requested & gone_since.keys()).difference(gone))
        return [held for name in names if isinstance(held := sent[name], Resource)]

    def difference(self, world: World, now: float) -> Difference:
        """What to send now. Costs as much as what changed, unless the subscription did."""
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
        """There is no such resource, or it may be declared where nothing can be read."""
        if type(before) is not Resource and not absent(name):
            return
        if before is not None:
            self.held.miss(name, now)
        if name in self.agenda.requested and not isinstance(before, Resource):
            difference.missing.append(name)

    def _may_have_more(self, before: Resource | ReportedVersion | None) -> bool:
        """Whether a client may have, from an earlier stream, what cannot be read now."""
        return type(before) is ReportedVersion or (before is None and self.report.blind)

    def _is_absent(self, world: World, name: str) -> bool:
        """Whether it is known that there is no such resource; if not, nothing is said until it is."""
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
    """Sorted, for whoever reads it; so many that nobody does are left as they are."""
    return sorted(names) if len(names) < _MANY else names


def _is_known(_: str) -> bool:
    """That there is nothing of a name is known of every name, unless something cannot be read."""
    return True
