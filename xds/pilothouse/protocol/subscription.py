"""What one client wants of one resource type, and what it has."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple
from weakref import WeakValueDictionary

from pilothouse._pb.envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DiscoveryRequest
from pilothouse.encoding.resources import Resource, Selection
from pilothouse.encoding.types import Changes, ResourceType
from pilothouse.serving.world import World
from pilothouse.structures.delivery import Deliveries, Delivery, confirmed, refused, told, withdrawn

WILDCARD = "*"

#: Names in one request, and of one type on one stream. Of 10,000 services with three ports there are 30,000.
MOST_NAMES = 1 << 16
#: In characters. A cluster's name, the longest there is here, has 270; others are names of nothing.
LONGEST_NAME = 1 << 16
#: In characters, of the version of a set, which may be one of another control plane.
LONGEST_VERSION = 1 << 12
_LONGEST_ERROR = 500
# From so many names on they are looked up together, and not brought into order, which takes longest.
_MANY = 1000


class Excess(ValueError):
    """A request for more than a client is granted; the text names the field and the limit."""

    def __init__(self, field: str, limit: str) -> None:
        super().__init__(f"{field}: {limit}")


class ReportedVersion(NamedTuple):
    """A version that a reconnecting client says it has, of which nothing else is known."""

    version: str
    fingerprint: int = 0


class Difference(NamedTuple):
    """What a client lacks: resources to send, and names it asked for of which there are none.

    `whole` is the selection that `changed` is all of, for a client that has nothing yet.
    """

    changed: list[Resource]
    missing: list[str]
    whole: Selection | None = None


class Response(NamedTuple):
    """One response, encoded, and the type that it is about."""

    type: ResourceType
    data: bytes


@dataclass(slots=True)
class Subscription:
    """The state of one type on one stream."""

    type: ResourceType
    names: frozenset[str] = frozenset()
    wildcard: bool = False
    legacy: bool = False  # no name was ever given: an empty list still means everything
    # What the client was sent and still wants. Unless it is a dict it is shared with other streams.
    sent: Mapping[str, Resource | ReportedVersion] = field(default_factory=dict)
    fingerprint: int = 0  # of what was sent and still exists
    dirty: set[str] = field(default_factory=set)  # names that may differ from `sent`
    rescan: bool = False  # anything may differ: the subscription itself changed
    requested: set[str] = field(default_factory=set)  # asked for, so to be answered although nothing changed
    due: bool = False  # a response is to be sent, even if it is empty
    gone_since: dict[str, float] = field(default_factory=dict)  # sent, and found gone at this time
    # What a reconnecting client says it has: version_info, or in Delta the version of each resource.
    reported: str | Mapping[str, str] = ""
    # SotW: the version that the client has, so will come back with. Of what it holds, if all is well.
    told: str = ""
    returning: bool = False  # until it is sent something: a client that has a state from an earlier stream
    nonce: str = ""  # of the last response
    awaiting: bool = False  # the last response is unanswered
    # A request that accepts it, as Envoy encodes it: what comes before the names, the names, what follows.
    acceptance: tuple[bytes, bytes, bytes] = (b"", b"", b"")
    unproven: bool = False  # it said that it has a state, and nobody knows which
    blind: bool = False  # SotW: of what the client has from an earlier stream nobody knows the versions
    withheld: set[str] = field(default_factory=set)  # may be something that cannot be read: not answered
    unknown: int = 0  # how often a name was asked for of which there is nothing
    error: str = ""  # why the client rejected the last response
    # The request that `names` are of, if they are of one; held so that others can share it.
    asked: Names | None = None
    noted: Deliveries = ()  # what made names dirty that were not looked at yet
    pushed: Deliveries = ()  # what is in responses that are unanswered

    def wants(self, name: str) -> bool:
        return self.wildcard or name in self.names

    @property
    def pending(self) -> bool:
        """Whether there may be something to send, apart from what is gone."""
        return bool(self.dirty or self.rescan or self.requested or self.due)

    @property
    def stirring(self) -> bool:
        """Whether there may be something to send."""
        return bool(self.dirty or self.requested or self.gone_since or self.rescan or self.due)

    def notify(self, names: frozenset[str], delivery: Delivery | None = None) -> bool:
        """Note what changed in the world; true if it can be sent now."""
        wanted = names if self.wildcard else names & self.names
        if not wanted:
            return False
        self.dirty |= wanted
        if delivery is not None:
            self.noted = told(self.noted, delivery)
        return not self.awaiting

    def answered(self, request: DiscoveryRequest | DeltaDiscoveryRequest, now: float) -> None:
        """The client accepted the last response, or rejected it: a state, not a failure."""
        rejected = request.HasField("error_detail")
        # A later request may repeat the nonce, and accepts nothing by that.
        if self.awaiting or rejected:
            reason = cut(request.error_detail.message, _LONGEST_ERROR) or "no reason given"
            self.error = reason if rejected else ""
        self.awaiting = False
        pushed, self.pushed = self.pushed, ()
        (refused if rejected else confirmed)(pushed, now)

    def accepted_by(self, data: bytes) -> bool:
        """Whether an encoded request says no more than that the last response is accepted."""
        before, names, after = self.acceptance
        return (
            self.awaiting
            and 0 < len(data) == len(before) + len(names) + len(after)
            and data.endswith(after)
            and data.startswith(before)
            and data.startswith(names, len(before))
        )

    def accepted(self, now: float) -> None:
        """The client accepted the last response."""
        self.awaiting, self.error = False, ""
        if self.pushed:
            confirmed(self.pushed, now)
            self.pushed = ()

    def difference(self, world: World, now: float) -> Difference:
        """What to send now. Costs as much as what changed, unless the subscription did."""
        absent = _is_known if world.complete else partial(self._is_absent, world)
        if self.rescan and not self.sent and (world.complete or not self.blind):
            whole = self.selected(world)
            missing = [name for name in in_order(self.requested - whole.resources.keys()) if absent(name)]
            self.unknown += len(missing)
            return Difference([*whole.resources.values()], missing, whole)
        difference = Difference([], [])
        suspects = self._suspects(world)
        find = self._finder(world, suspects)
        for name in suspects:
            resource = find(name) if self.wildcard or name in self.names else None
            held = self.sent.get(name)
            if resource is None:
                self._note_missing(name, held, difference, absent, now)
                continue
            self.gone_since.pop(name, None)
            if held is None or held.version != resource.version or name in self.requested:
                if self._may_have_more(held) and world.is_partial(self.type, name):
                    self.withheld.add(name)
                else:
                    difference.changed.append(resource)
        self.unknown += len(difference.missing)
        return difference

    def _note_missing(
        self,
        name: str,
        held: Resource | ReportedVersion | None,
        difference: Difference,
        absent: Callable[[str], bool],
        now: float,
    ) -> None:
        """There is no such resource, or it may be declared where nothing can be read."""
        if type(held) is not Resource and not absent(name):
            return
        if held is not None:
            self.gone_since.setdefault(name, now)
        if name in self.requested and not isinstance(held, Resource):
            difference.missing.append(name)

    def _may_have_more(self, held: Resource | ReportedVersion | None) -> bool:
        """Whether a client may have, from an earlier stream, what cannot be read now."""
        return type(held) is ReportedVersion or (held is None and self.blind)

    def _is_absent(self, world: World, name: str) -> bool:
        """Whether it is known that there is no such resource; if not, nothing is said until it is."""
        if not self.wants(name) or world.is_absent(self.type, name):
            return True
        self.withheld.add(name)
        return False

    def release(self) -> bool:
        """Look again at what was withheld, since more is known now; true if there is something."""
        held, self.withheld = self.withheld, set()
        for name in filter(self.wants, held):
            (self.dirty if name in self.sent else self.requested).add(name)
        return bool(held) or self.unproven

    def selected(self, world: World) -> Selection:
        """All that is subscribed to, of what there is."""
        return world.selection(self.type) if self.wildcard else world.chosen(self.type, self.names)

    def kept(self, gone: Collection[str]) -> list[Resource]:
        """What was asked for and is about to go, but may not go yet: to be sent as it was."""
        names = sorted((self.requested & self.gone_since.keys()).difference(gone)) if self.gone_since else ()
        return [held for name in names if isinstance(held := self.sent[name], Resource)]

    def _suspects(self, world: World) -> Collection[str]:
        if not self.rescan:
            few = not self.requested and len(self.dirty) <= 1
            return self.dirty if few else in_order(self.dirty | self.requested)
        wanted = world.selection(self.type).resources.keys() if self.wildcard else self.names
        return in_order({*wanted, *self.sent, *self.requested})

    def _finder(self, world: World, names: Collection[str]) -> Callable[[str], Resource | None]:
        if len(names) < _MANY:
            return world.finder(self.type)
        return world.chosen(self.type, frozenset(names)).resources.get

    def settled(self) -> None:
        """Everything up to now has been looked at."""
        self.dirty.clear()
        self.requested.clear()
        self.rescan = self.due = False
        if self.noted and not self.gone_since:  # of which the client has yet to be told
            withdrawn(self.noted)
            self.noted = ()

    def responded(self, nonce: str, acceptance: tuple[bytes, bytes, bytes]) -> None:
        """A response was sent."""
        self.nonce, self.awaiting, self.acceptance = nonce, True, acceptance
        self.returning = False
        if self.pushed:  # of a client that asks on without an answer; of what is given up nobody waits for it
            self.pushed = tuple([each for each in (*self.pushed, *self.noted) if each.live])
        else:
            self.pushed = self.noted
        self.noted = ()
        self.settled()

    def end(self) -> None:
        """The client answers nothing any more."""
        withdrawn((*self.noted, *self.pushed))
        self.noted = self.pushed = ()

    def record(self, difference: Difference) -> None:
        """This was sent."""
        if difference.whole is not None:
            self.restate(difference.whole.resources, difference.whole.fingerprint)
            return
        sent = self._own()
        for resource in difference.changed:
            held = sent.get(resource.name)
            self.fingerprint += resource.fingerprint - (held.fingerprint if held else 0)
            sent[resource.name] = resource

    def forget(self, names: Iterable[str]) -> None:
        """Treat these as never sent, so that they are sent when they are wanted."""
        known = (self.sent.keys() | self.gone_since.keys()).intersection(names)
        sent = self._own() if known else {}
        for name in known:
            held = sent.pop(name, None)
            self.fingerprint -= held.fingerprint if held else 0
            self.gone_since.pop(name, None)

    def forget_unwanted(self) -> None:
        if self.wildcard:
            return
        unwanted = self.sent.keys() - self.names
        if unwanted:
            self.forget(unwanted)
        self.requested &= self.names

    def restate(self, resources: Mapping[str, Resource], fingerprint: int) -> None:
        """Exactly these were sent; the mapping is shared."""
        self.sent, self.fingerprint = resources, fingerprint

    def again(self, names: Iterable[str]) -> None:
        """Answer for these, if they are wanted, as if the client had asked."""
        self.requested.update(name for name in names if self.wants(name))

    def _own(self) -> dict[str, Resource | ReportedVersion]:
        if not isinstance(self.sent, dict):
            self.sent = dict(self.sent)
        return self.sent


def cut(text: str, most: int) -> str:
    """As much of what a client says as is kept and shown."""
    return text if len(text) <= most else f"{text[:most]}..."


def _is_known(_: str) -> bool:
    """That there is nothing of a name is known of every name, unless something cannot be read."""
    return True


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Names:
    """The names of a request, encoded and as they are meant."""

    encoded: bytes
    plain: frozenset[str]
    wildcard: bool


_NO_NAMES = Names(b"", frozenset(), False)
# A fleet asks for the same thousand names again and again. They stay while a stream has them.
_shared: WeakValueDictionary[bytes, Names] = WeakValueDictionary()


def named(field: str, names: Sequence[str]) -> Names:
    """The names in a field of a request. Raises Excess.

    Both variants have them in the same field when encoded.
    """
    if not names:
        return _NO_NAMES
    counted(field, len(names))
    said = [*names]
    encoded = DiscoveryRequest(resource_names=said).SerializeToString()
    found = _shared.get(encoded)
    if found is None:
        if max(map(len, said)) > LONGEST_NAME:
            raise Excess(field, f"a name has more than {LONGEST_NAME} characters")
        found = _shared[encoded] = Names(encoded, *split_wildcard(said))
    return found


def in_order(names: Collection[str]) -> Collection[str]:
    """Sorted, for whoever reads it; so many that nobody does are left as they are."""
    return sorted(names) if len(names) < _MANY else names


def counted(field: str, number: int) -> None:
    """Raises Excess if so many names are too many."""
    if number > MOST_NAMES:
        raise Excess(field, f"more than {MOST_NAMES} names of one type")


def split_wildcard(names: Iterable[str]) -> tuple[frozenset[str], bool]:
    """The plain names, and whether '*' was among them."""
    plain = frozenset(names)
    return (plain - {WILDCARD}, True) if WILDCARD in plain else (plain, False)


def release(subscriptions: Mapping[ResourceType, Subscription]) -> bool:
    """Look again at what was withheld on a stream; true if there may be something to send."""
    released = [subscription.release() for subscription in subscriptions.values()]
    return any(released)


def preparing(subscriptions: Mapping[ResourceType, Subscription], world: World) -> Iterator[object]:
    """Make ready, in small steps, what the next poll would take long for."""
    for subscription in subscriptions.values():
        if subscription.rescan and not subscription.sent:
            yield from world.prepare(subscription.type, subscription.names, subscription.wildcard)
        elif len(subscription.requested) > _MANY:
            yield from world.prepare(subscription.type, frozenset(subscription.requested), wildcard=False)


def end(subscriptions: Mapping[ResourceType, Subscription]) -> None:
    """The stream has ended: nobody waits for what its client has not answered."""
    for subscription in subscriptions.values():
        subscription.end()


def notify(
    subscriptions: Mapping[ResourceType, Subscription], changes: Changes, delivery: Delivery | None = None
) -> bool:
    """Note what changed in the world; true if there may be something to send.

    `delivery` is confirmed when the client has answered what it leads to.
    """
    sendable = False
    for type, names in changes.items():
        subscription = subscriptions.get(type)
        # Each has to be told, whatever came before it.
        if subscription is not None and subscription.notify(names, delivery):
            sendable = True
    return sendable
