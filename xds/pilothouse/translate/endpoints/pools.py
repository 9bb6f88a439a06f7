"""What is behind one port before anybody in particular asks, encoded in groups that clients tell apart.

Of most services all clients may call the same endpoints; these are encoded when they change. Where it
depends on the client (its node, its address families), readiness has to be decided among those that
it may call, so they are joined when the first client of that kind asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from pilothouse.mesh.audience import ANYWHERE, EndpointFacet
from pilothouse.mesh.dependencies import Preference
from pilothouse.model.services import MAX_WEIGHT, Family, Locality, Port, Service
from pilothouse.translate.endpoints.candidates import Choice, Outlook, candidates, denial
from pilothouse.translate.endpoints.groups import COMMON, DRAINING, Grouped, Traits
from pilothouse.translate.endpoints.lb_endpoints import lb_endpoint
from pilothouse.translate.endpoints.members import Member

#: Envoy's bound for the sum of the weights in a locality, and of those of the localities in a priority.
_MOST = 2**32 - 1


class EncodedGroup(NamedTuple):
    """Endpoints that no client tells apart: their joined encodings and the sum of their weights."""

    locality: Locality
    encoded: bytes
    weight: int
    traits: Traits = COMMON


#: Of clients of a service: the node, the address families, and what they want of it, as far as these count.
GroupKey: TypeAlias = tuple[str, tuple[Family, ...], Preference | None]
_KINDS = 16  # of each port: preferences are what clients say, and load assignments are kept in any case


@dataclass(frozen=True, slots=True)
class Chosen:
    """A choice, and what was encoded of it for the clients of one node, some families and some preference."""

    choice: Choice
    groups: dict[GroupKey, tuple[EncodedGroup, ...]] = field(default_factory=dict, compare=False)

    def by(self, client: EndpointFacet) -> tuple[EncodedGroup, ...]:
        node = client.node if self.choice.outlook.placement.local else ""
        key = (node, client.families, client.preference)
        if key not in self.groups:
            if len(self.groups) >= _KINDS:
                del self.groups[next(iter(self.groups))]
            self.groups[key] = encoded(self.choice.allowed(client).wanted)
        return self.groups[key]


class Pool(NamedTuple):
    """What is behind one port: `groups`, or what is `chosen`.

    Equal pools have equal load assignments for every client.
    """

    outlook: Outlook = Outlook()
    groups: tuple[EncodedGroup, ...] = ()
    chosen: Chosen | None = None

    def allowed(self, client: EndpointFacet) -> tuple[EncodedGroup, ...]:
        """The endpoints that a client with this facet may call, in order. Raises rules.RuleViolation."""
        if self.chosen is not None:
            return self.chosen.by(client)
        return self.groups if denial(client) is None else ()


def pool(service: Service, port: Port) -> Pool:
    """What is behind one port of a service. Raises rules.RuleViolation."""
    outlook, _, offer = candidates(service, port)
    if isinstance(offer, Grouped):
        return Pool(outlook, encoded(offer))
    pool = Pool(outlook, (), Chosen(offer))
    pool.allowed(ANYWHERE)  # what breaks a rule has to do so now, while the last good version can stay
    return pool


def encoded(found: Grouped) -> tuple[EncodedGroup, ...]:
    """What is sent of these, in order."""
    groups, health_of = [], found.health_of
    for locality, traits, members in found.groups:
        pieces: list[bytes] = []
        total = 0
        for address, number, endpoint, other in members:
            health, weight = health_of[endpoint.state], endpoint.weight
            name, labels = endpoint.hostname, endpoint.labels
            pieces.append(lb_endpoint(address, number, weight, health, other, name, labels))
            if health != DRAINING:
                total += weight
        groups.append(EncodedGroup(locality, b"".join(pieces), total, traits))
    return _within_bounds(found, groups) if len(found.members) * MAX_WEIGHT > _MOST else tuple(groups)


def _within_bounds(found: Grouped, groups: Sequence[EncodedGroup]) -> tuple[EncodedGroup, ...]:
    """The same in proportion where the sum of all weights would be too much."""
    total = sum([group.weight for group in groups])
    if total <= _MOST:
        return tuple(groups)
    room = _MOST - len(found.members)
    scaled = [(at, traits, _scaled(members, room, total)) for at, traits, members in found.groups]
    return encoded(found._replace(groups=scaled))


def _scaled(members: Sequence[Member], room: int, total: int) -> list[Member]:
    """The same in proportion, so that the sum of all weights fits, and none is less than 1."""
    return [
        (address, number, endpoint._replace(weight=max(1, endpoint.weight * room // total)), other)
        for address, number, endpoint, other in members
    ]
