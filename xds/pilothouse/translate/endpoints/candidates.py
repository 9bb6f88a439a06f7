"""Who is behind one port, and who of them a client may call: decided in plain values, before any is encoded.

What is left out has its reason. It is put into words when somebody asks, and not on the way to a push.
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

#: In place of the name of a node on which nothing of a service runs. No node is called so.
ELSEWHERE = "*"

_NOBODY: frozenset[str] = frozenset()


class Outlook(NamedTuple):
    """By what clients are told apart at one port.

    From `nodes` it looks different than from all others; `families` are those of its addresses, the preferred
    one first.
    """

    placement: Placement = NEAREST
    families: tuple[Family, ...] = ()
    nodes: frozenset[str] = _NOBODY

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


class Allowed(NamedTuple):
    """Whom of a choice a client may call: who is near, who of these is reachable, who of those is wanted.

    What one step drops has a reason there.
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
    """The endpoints of a service of which not all clients may call the same."""

    outlook: Outlook
    members: tuple[Member, ...]
    _on_node: Mapping[str, Sequence[Member]] = field(compare=False)

    def allowed(self, client: EndpointFacet) -> Allowed:
        """Whom a client with this facet may call. One that states no node may call all."""
        placement, families = self.outlook.placement, client.families or self.outlook.families
        local = placement.local and client.node
        near = self._on_node.get(client.node, ()) if local else self.members
        found = reachable(near, families)
        wanted = preferred(found.members, client.preference)
        return Allowed(self, client, near, found, grouped(wanted, placement, hinted(wanted, placement)))


class Candidates(NamedTuple):
    """Who is behind one port. On offer are groups, if all clients may call the same, or else a choice."""

    outlook: Outlook
    members: Members
    offer: Grouped | Choice

    def omissions(self, client: EndpointFacet) -> Iterator[Omission]:
        """Who is left out for a client, or called later than others, and why."""
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
    """The same of each endpoint of a group."""
    _, _, members = group
    for address, number, _, _ in members:
        yield Omission(reason, written(address, number), why)


def denial(client: EndpointFacet) -> Reason | None:
    """Why a client with this facet may call nobody where every other client may call the same."""
    if client.families:
        return Reason.FAMILY
    if client.preference is None or client.preference.fallback:
        return None
    return Reason.SUBSET


def candidates(service: Service, port: Port) -> Candidates:
    """Who is behind one port of a service."""
    placement = service.spec.placement
    listed = members(service.endpoints, port, sticky=placement.sticky)
    found = listed.in_service
    families = present(found, placement.ipv6_first)
    all_hinted = hinted(found, placement)
    # Then hints may be complete among those that a client can call, or wants, and not among all.
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
    """The nodes whose clients get something else than all others."""
    found: set[str] = set()
    for _, _, endpoint, _ in members:
        if placement.local or placement.prefer is SAME_NODE:
            found.add(endpoint.node)
        if hinted:
            found.update(endpoint.for_nodes)
    return frozenset(found - {""})
