"""What is behind one port before anybody in particular asks, grouped by what clients tell apart.

Of most services all clients may call the same endpoints; these are encoded when they change. Where it
depends on the client (its node, its address families), readiness has to be decided among those that
it may call, so they are joined when the first client of that kind asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from pilothouse._pb.envoy.config.core.v3.health_check_pb2 import HealthStatus
from pilothouse.mesh.audience import ANYWHERE, EndpointFacet
from pilothouse.mesh.dependencies import Preference
from pilothouse.model.reasons import Omission, Omit, Reason, unsaid
from pilothouse.model.routing import Labels
from pilothouse.model.services import (
    MAX_WEIGHT,
    NEAREST,
    Endpoint,
    Family,
    Locality,
    Placement,
    Port,
    Prefer,
    Service,
    State,
)
from pilothouse.translate.endpoints.families import present, reachable
from pilothouse.translate.endpoints.lb_endpoints import lb_endpoint
from pilothouse.translate.endpoints.members import Member, members, written
from pilothouse.translate.endpoints.preferences import preferred

# Looked up once: protobuf's enum wrappers search for each name anew.
_HEALTHY, _UNHEALTHY, _DRAINING = HealthStatus.HEALTHY, HealthStatus.UNHEALTHY, HealthStatus.DRAINING

#: In place of the name of a node on which nothing of a service runs. No node is called so.
ELSEWHERE = "*"

#: Envoy's bound for the sum of the weights in a locality, and of those of the localities in a priority.
_MOST = 2**32 - 1

_NOBODY: frozenset[str] = frozenset()

#: Of address, number, weight, health, an address of the other family or nothing, a host name or nothing,
#: and labels.
Encode: TypeAlias = Callable[[str, int, int, HealthStatus, str, str, Labels], bytes]


class Traits(NamedTuple):
    """What clients tell endpoints apart by, beside their locality, where they do."""

    node: str = ""
    for_zones: tuple[str, ...] = ()
    for_nodes: tuple[str, ...] = ()
    ready: bool = True


COMMON = Traits()


class Group(NamedTuple):
    """Endpoints that no client tells apart: their joined encodings and the sum of their weights."""

    locality: Locality
    encoded: bytes
    weight: int
    traits: Traits = COMMON

    def tell(self, reason: Reason, why: str, omit: Omit) -> None:
        """Of each endpoint, if they are encoded by `named`, as they are when somebody wants to know."""
        if omit is not unsaid:
            for name in self.encoded.decode().splitlines():
                omit(Omission(reason, name, why))


#: Of clients of a service: the node, the address families, and what they want of it, as far as these count.
GroupKey: TypeAlias = tuple[str, tuple[Family, ...], Preference | None]
_KINDS = 16  # of each port: preferences are what clients say, and load assignments are kept in any case


@dataclass(frozen=True, slots=True)
class Choice:
    """The endpoints of a service of which not all clients may call the same.

    `groups` keeps what was encoded for the clients of one node, some families and some preference.
    """

    members: tuple[Member, ...]
    encode: Encode = field(compare=False)
    on_node: Mapping[str, Sequence[Member]] = field(compare=False)
    groups: dict[GroupKey, tuple[Group, ...]] = field(default_factory=dict, compare=False)


class Pool(NamedTuple):
    """What is behind one port. Equal pools have equal load assignments for every client.

    It has `groups`, or a `choice`. From `nodes` it looks different than from all others; `families` are
    those of its addresses, the preferred one first.
    """

    placement: Placement = NEAREST
    families: tuple[Family, ...] = ()
    nodes: frozenset[str] = _NOBODY
    groups: tuple[Group, ...] = ()
    choice: Choice | None = None

    @property
    def by_node(self) -> bool:
        """Whether it matters to some clients on which node they are, be it that nothing is on any."""
        return bool(self.nodes) or self.placement.local

    def facet(self, client: EndpointFacet) -> EndpointFacet:
        """What of a client makes a difference to what it gets from here."""
        if self.placement is NEAREST and not self.nodes and not client.families:
            return EndpointFacet(client.locality, "", (), client.preference) if client.node else client
        node = client.node if client.node in self.nodes else ""
        if self.placement.local and client.node and not node:
            return EndpointFacet(node=ELSEWHERE)
        families = tuple(family for family in client.families if family in self.families)
        stated = () if families == self.families else families or client.families
        return EndpointFacet(client.locality, node, stated, client.preference)

    def allowed(self, client: EndpointFacet, omit: Omit = unsaid) -> tuple[Group, ...]:
        """The endpoints that a client with this facet may call, in order. Raises rules.RuleViolation."""
        if self.choice is not None:
            return self._chosen(self.choice, client, omit)
        if client.families:
            why = Reason.FAMILY
        elif client.preference is None or client.preference.fallback:
            return self.groups
        else:
            why = Reason.SUBSET
        for group in self.groups:
            group.tell(why, "", omit)
        return ()

    def _chosen(self, choice: Choice, client: EndpointFacet, omit: Omit) -> tuple[Group, ...]:
        key = (client.node if self.placement.local else "", client.families, client.preference)
        if key not in choice.groups:
            if len(choice.groups) >= _KINDS:
                del choice.groups[next(iter(choice.groups))]
            near = _on_node(choice, client.node, omit) if self.placement.local else choice.members
            near = reachable(near, client.families or self.families, omit)
            found = preferred(near, client.preference, omit)
            hinted = _hinted(found, self.placement)
            choice.groups[key] = grouped(found, self.placement, hinted, choice.encode, omit)
        return choice.groups[key]


def pool(service: Service, port: Port, omit: Omit = unsaid, encode: Encode = lb_endpoint) -> Pool:
    """What is behind one port of a service. Raises rules.RuleViolation."""
    placement = service.spec.placement
    found = members(service.endpoints, port, omit, sticky=placement.sticky)
    families = present(found, placement.ipv6_first)
    hinted = _hinted(found, placement)
    # Then hints may be complete among those that a client can call, or wants, and not among all.
    varied = len(families) > 1 or bool(service.spec.policy.subset_labels)
    by_node = hinted or varied or placement.local or placement.prefer is Prefer.SAME_NODE
    nodes = _nodes(found, placement, hinted or varied) if by_node else _NOBODY
    if not placement.local and not varied:
        return Pool(placement, families, nodes, grouped(found, placement, hinted, encode, omit))
    on_node: dict[str, list[Member]] = {}
    for member in found if placement.local else ():
        on_node.setdefault(member[2].node, []).append(member)
    pool = Pool(placement, families, nodes, (), Choice(tuple(found), encode, on_node))
    if omit is unsaid:
        pool.allowed(ANYWHERE)  # what breaks a rule has to do so now, while the last good version can stay
    return pool


def named(  # noqa: PLR0913  (as `lb_endpoint`)
    address: str, number: int, weight: int, health: HealthStatus, other: str, hostname: str, labels: Labels
) -> bytes:
    """What people call an endpoint, in place of its encoding."""
    return f"{written(address, number)}\n".encode()


def grouped(
    members: Sequence[Member], placement: Placement, hinted: bool, encode: Encode, omit: Omit
) -> tuple[Group, ...]:
    """What is sent of these, in order."""
    ready = any(endpoint.state is State.READY for _, _, endpoint, _ in members)
    health_of = _health_by_state(ready, placement.sticky)
    alike = not hinted and placement.prefer is not Prefer.SAME_NODE
    collected: dict[Any, tuple[list[bytes], list[int]]] = {}  # by locality, or by locality and traits
    for address, number, endpoint, other in members:
        health = health_of.get(endpoint.state)
        counted = weight = endpoint.weight
        if health != _HEALTHY:
            _tell(address, number, endpoint.state, omit)
            if health is None:
                continue
            counted = 0 if health == _DRAINING else weight
        key = endpoint.locality if alike else (endpoint.locality, _traits(endpoint, hinted))
        held = collected.get(key)
        if held is None:
            held = collected[key] = ([], [])
        held[0].append(encode(address, number, weight, health, other, endpoint.hostname, endpoint.labels))
        held[1].append(counted)
    found = []
    for key, (pieces, weights) in sorted(collected.items()):
        at, traits = (key, COMMON) if alike else key
        found.append(Group(at, b"".join(pieces), sum(weights), traits))
    total = sum([group.weight for group in found]) if len(members) * MAX_WEIGHT > _MOST else 0
    if total > _MOST:
        return grouped(_scaled(members, total), placement, hinted, encode, unsaid)
    return tuple(found)


@lru_cache
def _health_by_state(ready: bool, sticky: bool) -> Mapping[State, HealthStatus]:
    """What is said of endpoints in each state, if one is ready or none is; other states are left out.

    Ready endpoints are HEALTHY, those not ready UNHEALTHY so that the lost capacity shows. Terminating
    ones are left out, or every rollout would look like an outage to the locality's health; but if
    nothing is ready, those that still serve do (KEP-1669), and must then be HEALTHY for Envoy. If
    clients stick to endpoints, what is about to go is DRAINING, which counts neither way.
    """
    found = {State.NOT_READY: _UNHEALTHY}
    if sticky:
        found |= {State.TERMINATING_SERVING: _DRAINING, State.MAINTENANCE: _DRAINING}
    found[State.READY if ready else State.TERMINATING_SERVING] = _HEALTHY
    return found


def _tell(address: str, number: int, state: State, omit: Omit) -> None:
    """Why an endpoint in this state is not called; of those in maintenance it has been said."""
    if state is State.NOT_READY:
        omit(Omission(Reason.NOT_READY, written(address, number)))
    elif state is not State.MAINTENANCE:
        omit(Omission(Reason.TERMINATING, written(address, number), state.value))


def _on_node(choice: Choice, node: str, omit: Omit) -> Sequence[Member]:
    """What a client may call if that is only what is on its own node."""
    if not node:
        omit(Omission(Reason.UNKNOWN_NODE, "internalTrafficPolicy: Local", "the client states no node"))
        return choice.members
    for address, number, endpoint, _ in choice.members if omit is not unsaid else ():
        if endpoint.node != node:
            omit(Omission(Reason.OTHER_NODE, written(address, number), endpoint.node))
    return choice.on_node.get(node, ())


def _traits(endpoint: Endpoint, hinted: bool) -> Traits:
    zones, nodes = (endpoint.for_zones, endpoint.for_nodes) if hinted else ((), ())
    return Traits(endpoint.node, zones, nodes, endpoint.state is State.READY)


def _hinted(members: Iterable[Member], placement: Placement) -> bool:
    """Whether all that is ready has hints (KEP-2433), and they count. Traffic policy Local goes without."""
    found = False
    for _, _, endpoint, _ in members:
        if endpoint.state is State.READY:
            if not endpoint.for_zones and not endpoint.for_nodes:
                return False
            found = True
    return found and placement.hints and not placement.local


def _nodes(members: Iterable[Member], placement: Placement, hinted: bool) -> frozenset[str]:
    """The nodes whose clients get something else than all others."""
    found: set[str] = set()
    for _, _, endpoint, _ in members:
        if placement.local or placement.prefer is Prefer.SAME_NODE:
            found.add(endpoint.node)
        if hinted:
            found.update(endpoint.for_nodes)
    return frozenset(found - {""})


def _scaled(members: Sequence[Member], total: int) -> list[Member]:
    """The same in proportion, so that the sum of the weights fits, and none is less than 1."""
    room = _MOST - len(members)
    return [
        (address, number, replace(endpoint, weight=max(1, endpoint.weight * room // total)), other)
        for address, number, endpoint, other in members
    ]
