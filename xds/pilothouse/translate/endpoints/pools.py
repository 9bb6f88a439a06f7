"""The endpoints behind one port, encoded in groups, before one client's facet selects and orders them.

At most services, all clients may call the same endpoints. These are encoded when they change. At others, it
depends on the client (its node, its address families). There readiness has to be decided among the endpoints
that the client may call. So the groups are encoded when the first client of that kind asks.
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

#: Envoy's limit for the sum of the weights in a locality, and for the sum of localities' weights in a
#: priority.
_MOST = 2**32 - 1


class EncodedGroup(NamedTuple):
    """Endpoints that are alike for every client: their joined encodings and the sum of their weights."""

    locality: Locality
    encoded: bytes
    weight: int
    traits: Traits = COMMON


#: The part of clients' facets that decides their groups: node, address families, and preference.
GroupKey: TypeAlias = tuple[str, tuple[Family, ...], Preference | None]
# Entries for each port. Clients state preferences, so they are bounded. Load assignments are kept in any
# case.
_KINDS = 16


@dataclass(frozen=True, slots=True)
class Chosen:
    """A choice, and its encoded groups for each kind of client that has asked."""

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
    """The endpoints behind one port: `groups` for all clients, or `chosen` if it depends on the client.

    Equal pools have equal load assignments for every client.
    """

    outlook: Outlook = Outlook()
    groups: tuple[EncodedGroup, ...] = ()
    chosen: Chosen | None = None

    def allowed(self, client: EndpointFacet) -> tuple[EncodedGroup, ...]:
        """The groups that a client with this facet may call, sorted. Raises rules.RuleViolation."""
        if self.chosen is not None:
            return self.chosen.by(client)
        return self.groups if denial(client) is None else ()


def pool(service: Service, port: Port) -> Pool:
    """The pool of one port of a service. Raises rules.RuleViolation."""
    outlook, _, offer = candidates(service, port)
    if isinstance(offer, Grouped):
        return Pool(outlook, encoded(offer))
    pool = Pool(outlook, (), Chosen(offer))
    pool.allowed(ANYWHERE)  # find violations now, while the last good version can stay in force
    return pool


def encoded(found: Grouped) -> tuple[EncodedGroup, ...]:
    """The encoded groups, in the same order."""
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
    """The groups, with all weights scaled down if their sum exceeds Envoy's limit."""
    total = sum([group.weight for group in groups])
    if total <= _MOST:
        return tuple(groups)
    room = _MOST - len(found.members)
    scaled = [(at, traits, _scaled(members, room, total)) for at, traits, members in found.groups]
    return encoded(found._replace(groups=scaled))


def _scaled(members: Sequence[Member], room: int, total: int) -> list[Member]:
    """The members with weights scaled by `room / total`. No weight is less than 1."""
    return [
        (address, number, endpoint._replace(weight=max(1, endpoint.weight * room // total)), other)
        for address, number, endpoint, other in members
    ]
