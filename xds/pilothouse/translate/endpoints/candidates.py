"""The endpoints behind one port, and which of them a client may call, as plain values before encoding.

Each endpoint that is left out has a reason. The reasons are put into words only when somebody asks, not on
the way to a push.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pilothouse.mesh.audience import EndpointFacet
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import NEAREST, Family, Placement, Port, Service
from pilothouse.translate.endpoints.families import Reachable, present, reachable
from pilothouse.translate.endpoints.groups import SAME_NODE, Group, Grouped, grouped, hinted
from pilothouse.translate.endpoints.members import Member, Members, members, without, written
from pilothouse.translate.endpoints.placement import misplaced
from pilothouse.translate.endpoints.preferences import preferred

#: Stands for any node on which no endpoint of the service runs. No node has this name.
ELSEWHERE = "*"

_NOBODY: frozenset[str] = frozenset()


class Outlook(NamedTuple):
    """Which properties of clients matter at one port.

    `nodes`: clients on these nodes may get something else than others.
    `families`: the families of the endpoints' addresses, the preferred one first.
    """

    placement: Placement = NEAREST
    families: tuple[Family, ...] = ()
    nodes: frozenset[str] = _NOBODY

    @property
    def by_node(self) -> bool:
        """Whether the client's node matters, even if no endpoint runs on any known node."""
        return bool(self.nodes) or self.placement.local

    def facet(self, client: EndpointFacet) -> EndpointFacet:
        """The part of a client's facet that affects what it gets from this port."""
        if self.placement is NEAREST and not self.nodes and not client.families:
            return EndpointFacet(client.locality, "", (), client.preference) if client.node else client
        node = client.node if client.node in self.nodes else ""
        if self.placement.local and client.node and not node:
            return EndpointFacet(node=ELSEWHERE)
        families = tuple(family for family in client.families if family in self.families)
        stated = () if families == self.families else families or client.families
        return EndpointFacet(client.locality, node, stated, client.preference)


class Allowed(NamedTuple):
    """The endpoints of a choice that a client may call, in three steps.

    `near` has those on its node if the service is node-local. `reachable` has those of its address families.
    `wanted` has those that it prefers. Each step has reasons for what it drops.
    """

    choice: Choice
    client: EndpointFacet
    near: Sequence[Member]
    reachable: Reachable
    wanted: Grouped

    @property
    def omissions(self) -> Iterator[Omission]:
        if self.choice.outlook.placement.local and not self.client.node:
            yield Omission(Reason.UNKNOWN_NODE, "internalTrafficPolicy: Local", "the client states no node")
        for address, number, endpoint, _ in without(self.choice.members, self.near):
            yield Omission(Reason.OTHER_NODE, written(address, number), endpoint.node)
        yield from self.reachable.omissions
        preference = self.client.preference
        if preference is not None:
            for address, number, _, _ in without(self.reachable.members, self.wanted.members):
                yield Omission(Reason.SUBSET, written(address, number), f"by {preference.label}")
        yield from self.wanted.omissions


@dataclass(frozen=True, slots=True)
class Choice:
    """The endpoints behind a port whose clients may not all call the same ones."""

    outlook: Outlook
    members: tuple[Member, ...]
    _on_node: Mapping[str, Sequence[Member]] = field(compare=False)

    def allowed(self, client: EndpointFacet) -> Allowed:
        """The endpoints that a client with this facet may call. A client that states no node may call all."""
        placement, families = self.outlook.placement, client.families or self.outlook.families
        local = placement.local and client.node
        near = self._on_node.get(client.node, ()) if local else self.members
        found = reachable(near, families)
        wanted = preferred(found.members, client.preference)
        return Allowed(self, client, near, found, grouped(wanted, placement, hinted(wanted, placement)))


class Candidates(NamedTuple):
    """The endpoints behind one port. `offer` is groups if all clients may call the same, else a choice."""

    outlook: Outlook
    members: Members
    offer: Grouped | Choice

    def omissions(self, client: EndpointFacet) -> Iterator[Omission]:
        """The endpoints that are left out for a client, or called later than others, with reasons."""
        yield from self.members.omissions
        facet = self.outlook.facet(client)
        if isinstance(self.offer, Choice):
            allowed = self.offer.allowed(facet)
            yield from allowed.omissions
            yield from self._late(allowed.wanted.groups, facet)
            return
        yield from self.offer.omissions
        denied = denial(facet)
        if denied is None:
            yield from self._late(self.offer.groups, facet)
            return
        for group in self.offer.groups:
            yield from _told(group, denied)

    def _late(self, groups: Sequence[Group], client: EndpointFacet) -> Iterator[Omission]:
        kinds = [(at, traits) for at, traits, _ in groups]
        for place, reason, why in misplaced(kinds, self.outlook.placement, client):
            yield from _told(groups[place], reason, why)


def _told(group: Group, reason: Reason, why: str = "") -> Iterator[Omission]:
    """The same omission for each endpoint of a group."""
    _, _, members = group
    for address, number, _, _ in members:
        yield Omission(reason, written(address, number), why)


def denial(client: EndpointFacet) -> Reason | None:
    """Why a client may call none of the endpoints that all other clients may call. None if it may call them.

    `client` is a facet. It states families only if no endpoint has an address of one of them.
    """
    if client.families:
        return Reason.FAMILY
    if client.preference is None or client.preference.fallback:
        return None
    return Reason.SUBSET


def candidates(service: Service, port: Port) -> Candidates:
    """The endpoints behind one port of a service."""
    placement = service.spec.placement
    listed = members(service.endpoints, port, sticky=placement.sticky)
    found = listed.in_service
    families = present(found, placement.ipv6_first)
    all_hinted = hinted(found, placement)
    # If so, hints may be complete among the endpoints of one client but not among all.
    varied = len(families) > 1 or bool(service.spec.policy.subset_labels)
    by_node = all_hinted or varied or placement.local or placement.prefer is SAME_NODE
    nodes = _nodes(found, placement, all_hinted or varied) if by_node else _NOBODY
    outlook = Outlook(placement, families, nodes)
    if not placement.local and not varied:
        return Candidates(outlook, listed, grouped(found, placement, all_hinted))
    on_node: dict[str, list[Member]] = {}
    for member in found if placement.local else ():
        on_node.setdefault(member[2].node, []).append(member)
    return Candidates(outlook, listed, Choice(outlook, found, on_node))


def _nodes(members: Iterable[Member], placement: Placement, hinted: bool) -> frozenset[str]:
    """The nodes whose clients may get something else than others."""
    found: set[str] = set()
    for _, _, endpoint, _ in members:
        if placement.local or placement.prefer is SAME_NODE:
            found.add(endpoint.node)
        if hinted:
            found.update(endpoint.for_nodes)
    return frozenset(found - {""})
