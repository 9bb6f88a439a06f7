"""What one client wants of one resource type, and what it has."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from pilothouse._pb.envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DiscoveryRequest
from pilothouse.resources import Changes, Resource, ResourceType, Selection
from pilothouse.world import World

WILDCARD = "*"

#: The order in which types are looked at. The second look is for removals that the first found
#: nothing left to wait for.
TURNS = (*ResourceType, ResourceType.ENDPOINTS, ResourceType.CLUSTER)


class Claimed(NamedTuple):
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
    sent: Mapping[str, Resource | Claimed] = field(default_factory=dict)
    fingerprint: int = 0  # of what was sent and still exists
    dirty: set[str] = field(default_factory=set)  # names that may differ from `sent`
    rescan: bool = False  # anything may differ: the subscription itself changed
    owed: set[str] = field(default_factory=set)  # asked for, so to be answered although nothing changed
    due: bool = False  # a response is owed, even if it is empty
    departed: dict[str, float] = field(default_factory=dict)  # sent, and found gone at this time
    # What a reconnecting client says it has: version_info, or in Delta the version of each resource.
    claim: str | Mapping[str, str] = ""
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

    def wants(self, name: str) -> bool:
        return self.wildcard or name in self.names

    @property
    def pending(self) -> bool:
        """Whether there may be something to send, apart from what is gone."""
        return bool(self.dirty or self.rescan or self.owed or self.due)

    @property
    def stirring(self) -> bool:
        """Whether there may be something to send."""
        return bool(self.dirty or self.owed or self.departed or self.rescan or self.due)

    def notify(self, names: frozenset[str]) -> bool:
        """Note what changed in the world; true if it can be sent now."""
        wanted = names if self.wildcard else names & self.names
        if not wanted:
            return False
        self.dirty |= wanted
        return not self.awaiting

    def answered(self, request: DiscoveryRequest | DeltaDiscoveryRequest) -> None:
        """The client accepted the last response, or rejected it: a state, not a failure."""
        rejected = request.HasField("error_detail")
        # A later request may repeat the nonce, and accepts nothing by that.
        if self.awaiting or rejected:
            self.error = (request.error_detail.message or "no reason given") if rejected else ""
        self.awaiting = False

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

    def accepted(self) -> None:
        """The client accepted the last response."""
        self.awaiting, self.error = False, ""

    def difference(self, world: World, now: float) -> Difference:
        """What to send now. Costs as much as what changed, unless the subscription did."""
        if self.rescan and not self.sent and (world.complete or not self.blind):
            whole = self.selected(world)
            missing = [n for n in sorted(self.owed - whole.resources.keys()) if self._is_absent(world, n)]
            self.unknown += len(missing)
            return Difference([*whole.resources.values()], missing, whole)
        difference = Difference([], [])
        for name in self._suspects(world):
            resource = world.get(self.type, name) if self.wildcard or name in self.names else None
            held = self.sent.get(name)
            if resource is None:
                self._note_missing(name, held, difference, world, now)
                continue
            self.departed.pop(name, None)
            if held is None or held.version != resource.version or name in self.owed:
                if self._may_have_more(held) and world.is_partial(self.type, name):
                    self.withheld.add(name)
                else:
                    difference.changed.append(resource)
        self.unknown += len(difference.missing)
        return difference

    def _note_missing(
        self, name: str, held: Resource | Claimed | None, difference: Difference, world: World, now: float
    ) -> None:
        """There is no such resource, or it may be declared where nothing can be read."""
        if type(held) is not Resource and not self._is_absent(world, name):
            return
        if held is not None:
            self.departed.setdefault(name, now)
        if name in self.owed and not isinstance(held, Resource):
            difference.missing.append(name)

    def _may_have_more(self, held: Resource | Claimed | None) -> bool:
        """Whether a client may have, from an earlier stream, what cannot be read now."""
        return type(held) is Claimed or (held is None and self.blind)

    def _is_absent(self, world: World, name: str) -> bool:
        """Whether it is known that there is no such resource; if not, nothing is said until it is."""
        if not self.wants(name) or world.knows_absence(self.type, name):
            return True
        self.withheld.add(name)
        return False

    def release(self) -> bool:
        """Look again at what was withheld, since more is known now; true if there is something."""
        held, self.withheld = self.withheld, set()
        for name in filter(self.wants, held):
            (self.dirty if name in self.sent else self.owed).add(name)
        return bool(held) or self.unproven

    def selected(self, world: World) -> Selection:
        """All that is subscribed to, of what there is."""
        return world.selection(self.type) if self.wildcard else world.chosen(self.type, self.names)

    def kept(self, gone: Collection[str]) -> list[Resource]:
        """What was asked for and is about to go, but may not go yet: to be sent as it was."""
        names = sorted((self.owed & self.departed.keys()).difference(gone)) if self.departed else ()
        return [held for name in names if isinstance(held := self.sent[name], Resource)]

    def _suspects(self, world: World) -> Iterable[str]:
        if not self.rescan:
            return sorted(self.dirty | self.owed) if self.owed or len(self.dirty) > 1 else self.dirty
        wanted = world.selection(self.type).resources.keys() if self.wildcard else self.names
        return sorted({*wanted, *self.sent, *self.owed})

    def settled(self) -> None:
        """Everything up to now has been looked at."""
        self.dirty.clear()
        self.owed.clear()
        self.rescan = self.due = False

    def responded(self, nonce: str, acceptance: tuple[bytes, bytes, bytes]) -> None:
        """A response was sent."""
        self.nonce, self.awaiting, self.acceptance = nonce, True, acceptance
        self.returning = False
        self.settled()

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
        sent = self._own()
        for name in names:
            held = sent.pop(name, None)
            self.fingerprint -= held.fingerprint if held else 0
            self.departed.pop(name, None)

    def forget_unwanted(self) -> None:
        if self.wildcard:
            return
        unwanted = self.sent.keys() - self.names
        if unwanted:
            self.forget(unwanted)
        self.owed &= self.names

    def restate(self, resources: Mapping[str, Resource], fingerprint: int) -> None:
        """Exactly these were sent; the mapping is shared."""
        self.sent, self.fingerprint = resources, fingerprint

    def again(self, names: Iterable[str]) -> None:
        """Answer for these, if they are wanted, as if the client had asked."""
        self.owed.update(name for name in names if self.wants(name))

    def _own(self) -> dict[str, Resource | Claimed]:
        if not isinstance(self.sent, dict):
            self.sent = dict(self.sent)
        return self.sent


class Names(NamedTuple):
    """The names of a request, encoded and as they are meant."""

    encoded: bytes
    plain: frozenset[str]
    wildcard: bool


def named(names: DiscoveryRequest | DeltaDiscoveryRequest) -> Names:
    """Of a message that holds the names of a request and nothing else."""
    return _shared(names.SerializeToString())


@lru_cache(maxsize=64)
def _shared(encoded: bytes) -> Names:
    """A fleet asks for the same thousand names again and again.

    Both variants have them in the same field, `resource_names` and `resource_names_subscribe`.
    """
    return Names(encoded, *split_wildcard(DiscoveryRequest.FromString(encoded).resource_names))


def split_wildcard(names: Iterable[str]) -> tuple[frozenset[str], bool]:
    """The plain names, and whether '*' was among them."""
    plain = frozenset(names)
    return (plain - {WILDCARD}, True) if WILDCARD in plain else (plain, False)


def release(subscriptions: Mapping[ResourceType, Subscription]) -> bool:
    """Look again at what was withheld on a stream; true if there may be something to send."""
    released = [subscription.release() for subscription in subscriptions.values()]
    return any(released)


def notify(subscriptions: Mapping[ResourceType, Subscription], changes: Changes) -> bool:
    """Note what changed in the world; true if there may be something to send."""
    sendable = False
    for type, names in changes.items():
        subscription = subscriptions.get(type)
        # Each has to be told, whatever came before it.
        if subscription is not None and subscription.notify(names):
            sendable = True
    return sendable
