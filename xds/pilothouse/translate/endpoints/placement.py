"""The order in which a client calls the endpoints of a service, and their shares: priorities and weights.

Preferred endpoints have a lower priority number. Others are not filtered out, so that clients can fail over
to them, unless the service forbids that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from pilothouse.mesh.audience import EndpointFacet
from pilothouse.model.reasons import Reason
from pilothouse.model.services import NEAREST, NOWHERE, Distribution, Failover, Locality, Placement, Prefer
from pilothouse.translate.endpoints.groups import COMMON, Kind, Traits

_LAST = 128  # Envoy's last priority

R = TypeVar("R", Failover, Distribution)


class Encoded(Protocol):
    """Encoded endpoints of one kind, and the sum of their weights."""

    @property
    def locality(self) -> Locality: ...

    @property
    def traits(self) -> Traits: ...

    @property
    def encoded(self) -> bytes: ...

    @property
    def weight(self) -> int: ...


#: The endpoints of one locality with one priority for a client: locality, priority, weight, encoded.
Placed: TypeAlias = tuple[Locality, int, int, bytes]


def placed(groups: Sequence[Encoded], placement: Placement, client: EndpointFacet) -> list[Placed]:
    """The groups as a client gets them, in order. Each pair of locality and priority occurs once."""
    if placement is NEAREST and (not groups or groups[0].traits is COMMON):
        at = client.locality
        distances = [distance(at, group.locality) for group in groups]
        priority = _contiguous(distances)
        return [
            (g.locality, priority[far], g.weight, g.encoded) for g, far in zip(groups, distances, strict=True)
        ]
    distribution = _rule(placement.distribute, client.locality)
    if distribution is not None:
        return _distributed(groups, distribution)
    ranks, _ = _ranks([(group.locality, group.traits) for group in groups], placement, client)
    return _merged(zip(groups, ranks, strict=True))


def misplaced(
    kinds: Sequence[Kind], placement: Placement, client: EndpointFacet
) -> Iterator[tuple[int, Reason, str]]:
    """The positions of kinds that a client does not get, or calls later because of hints, with reasons."""
    distribution = _rule(placement.distribute, client.locality)
    if distribution is not None:
        for place, (at, _) in enumerate(kinds):
            if _share(at, distribution) is None:
                yield place, Reason.DISTRIBUTE, "the client's rule gives its locality no share"
        return
    ranks, hinted = _ranks(kinds, placement, client)
    for place, rank in enumerate(ranks):
        if rank is None:
            yield place, Reason.FAILOVER, ""
    for place, (rank, here) in enumerate(zip(ranks, hinted, strict=True)) if any(hinted) else ():
        if rank is not None and not here:
            yield place, Reason.HINT, "is called if those with a hint for the client fail"


def distance(client: Locality, endpoint: Locality) -> int:
    """0: same sub-zone. 1: same zone. 2: same region. 3: elsewhere. 4: unknown. 0 for a client without
    locality.

    If one side does not state a part, an equal narrower part is enough, because a slice names a zone but no
    region.
    """
    if client == NOWHERE:
        return 0
    if endpoint == NOWHERE:
        return 4
    if client.region and endpoint.region and client.region != endpoint.region:
        return 3
    if not client.zone or client.zone != endpoint.zone:
        return 2 if client.region == endpoint.region else 3
    return 0 if client.sub_zone in ("", endpoint.sub_zone) else 1


def _contiguous(ranks: Iterable[int]) -> dict[int, int]:
    """The priority of each rank, without gaps. Envoy would accept gaps, but gRPC does not."""
    return {rank: priority for priority, rank in enumerate(sorted(set(ranks)))}


def _merged(ranked: Iterable[tuple[Encoded, int | None]]) -> list[Placed]:
    """The groups that have a rank, joined where locality and priority are equal."""
    found = [(group, rank) for group, rank in ranked if rank is not None]
    priority = _contiguous(rank for _, rank in found)
    parts: dict[tuple[Locality, int], list[Encoded]] = {}
    for group, rank in found:
        parts.setdefault((group.locality, min(priority[rank], _LAST)), []).append(group)
    return [
        (at, first, sum(group.weight for group in groups), b"".join(group.encoded for group in groups))
        for (at, first), groups in sorted(parts.items(), key=itemgetter(0))
    ]


class Ranks(NamedTuple):
    """How late each kind is called (None: never), and which kinds have a hint for the client, if hints
    count.
    """

    ranks: list[int | None]
    hinted: list[bool]


def _ranks(kinds: Sequence[Kind], placement: Placement, client: EndpointFacet) -> Ranks:
    rule = _rule(placement.failover, client.locality)
    by_place = {at: _failed_over(at, client.locality, rule) for at in {at for at, _ in kinds}}
    if placement.prefer is not Prefer.NEAREST:  # sub-zones do not matter
        by_place = {at: None if rank is None else max(rank - 1, 0) for at, rank in by_place.items()}
    ranks = [by_place[at] for at, _ in kinds]
    if placement.prefer is Prefer.SAME_NODE and client.node:
        ranks = _preferred(ranks, [traits.node == client.node for _, traits in kinds])
    hinted = _hinted(kinds, client)
    if any(here and rank is not None for here, rank in zip(hinted, ranks, strict=True)):
        return Ranks(_preferred(ranks, hinted), hinted)
    return Ranks(ranks, [False for _ in kinds])


def _preferred(ranks: Sequence[int | None], first: Sequence[bool]) -> list[int | None]:
    """The ranks with the kinds in `first` moved to the front."""
    return [
        None if rank is None else 0 if chosen else rank + 1 for rank, chosen in zip(ranks, first, strict=True)
    ]


def _failed_over(at: Locality, client: Locality, rule: Failover | None) -> int | None:
    """The rank of a locality: its distance, unless it is outside of the client's place and a rule orders
    it.
    """
    far = distance(client, at)
    if rule is None:
        return far
    # A rule for a region orders what is outside of the region, a rule for a zone what is outside of the zone.
    outside = 1 if rule.client.sub_zone else 2 if rule.client.zone else 3
    if far < outside:
        return far
    for position, target in enumerate(rule.to):
        if _matches(target, at):
            return outside + position
    return None if rule.only else far + len(rule.to)


def _hinted(kinds: Sequence[Kind], client: EndpointFacet) -> list[bool]:
    """The kinds with a hint for this client. Hints count only if all ready kinds have some (KEP-3015)."""
    ready = [traits for _, traits in kinds if traits.ready]
    node, zone = client.node, client.locality.zone
    if node and all(each.for_nodes for each in ready) and any(node in each.for_nodes for each in ready):
        return [node in traits.for_nodes for _, traits in kinds]
    if zone and all(each.for_zones for each in ready) and any(zone in each.for_zones for each in ready):
        return [zone in traits.for_zones for _, traits in kinds]
    return [False for _ in kinds]


def _distributed(groups: Sequence[Encoded], rule: Distribution) -> list[Placed]:
    """The groups in one priority, with the shares of a rule. Weights divide a share among its localities."""
    share_of = {group.locality: _share(group.locality, rule) for group in groups}
    found = _merged((group, None if share_of[group.locality] is None else 0) for group in groups)
    weights: dict[Locality, int] = {}
    for target, share in rule.shares:
        within = [(at, weight) for at, _, weight, _ in found if share_of[at] == target]
        parts = apportioned(share, [weight for _, weight in within])
        weights.update({at: part for (at, _), part in zip(within, parts, strict=True)})
    return [(at, priority, weights[at], encoded) for at, priority, _, encoded in found]


def _share(locality: Locality, rule: Distribution) -> Locality | None:
    """The first target of a rule that matches a locality. None if there is none or its share is 0."""
    found = next((one for one in rule.shares if _matches(one[0], locality)), None)
    return found[0] if found and found[1] else None


def apportioned(total: int, weights: Sequence[int]) -> list[int]:
    """Divide a total in proportion to weights, into whole numbers of at least 1, by largest remainder.

    The parts add up to the total, unless there are more weights than that.
    """
    whole = sum(weights) or 1
    parts = [total * weight // whole for weight in weights]
    remainders = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for i in remainders[: total - sum(parts)]:
        parts[i] += 1
    for i in range(len(parts)):
        if not parts[i]:
            parts[i] = 1
            largest = max(parts)
            parts[parts.index(largest)] = max(1, largest - 1)
    return parts


def _rule(rules: Sequence[R], client: Locality) -> R | None:
    """The first rule for a client at this locality."""
    return next((rule for rule in rules if _matches(rule.client, client)), None)


def _matches(pattern: Locality, locality: Locality) -> bool:
    return all(wanted in ("", part) for wanted, part in zip(pattern, locality, strict=True))
