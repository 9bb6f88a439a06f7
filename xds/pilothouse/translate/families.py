"""Addresses of both families: one endpoint for each thing that runs, with what a client can call of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from pilothouse.model import Family
from pilothouse.reasons import Omission, Omit, Reason
from pilothouse.translate.members import RANK, Member, written


def present(members: Sequence[Member], ipv6_first: bool) -> tuple[Family, ...]:
    """The families that there are addresses of, the preferred one first."""
    six = len([member for member in members if ":" in member[0]])
    if six == 0:
        return ("ipv4",)
    if six == len(members):
        return ("ipv6",)
    return ("ipv6", "ipv4") if ipv6_first else ("ipv4", "ipv6")


def reachable(members: Sequence[Member], families: tuple[Family, ...], omit: Omit) -> Sequence[Member]:
    """What a client can call that has these families, the preferred one first.

    Two addresses of one target are one endpoint: as two, it would get twice the requests. If only one of
    them is ready, it is that alone. Without a target there is no telling.
    """
    found: dict[Family, list[Member]] = {"ipv4": [], "ipv6": []}
    for member in members:
        found["ipv6" if ":" in member[0] else "ipv4"].append(member)
    for family in found.keys() - set(families):
        for address, number, _, _ in found[family]:
            omit(Omission(Reason.FAMILY, written(address, number)))
    first, *second = families
    if not second:
        return found[first]
    best = _best(members)
    if best:
        found = {family: _at_best(each, best, omit) for family, each in found.items()}
    return _paired(found[first], found[second[0]])


#: What runs somewhere, and the number of a port there.
_Place: TypeAlias = tuple[str, int]


def _best(members: Sequence[Member]) -> dict[_Place, int]:
    """The best rank that anything is in by any of its addresses; empty if all are in one state, as mostly."""
    if len({member[2].state for member in members}) == 1:
        return {}
    best: dict[_Place, int] = {}
    for _, number, endpoint, _ in members:
        if endpoint.target:
            rank = RANK[endpoint.state]
            best[endpoint.target, number] = min(rank, best.get((endpoint.target, number), rank))
    return best


def _at_best(members: Sequence[Member], best: Mapping[_Place, int], omit: Omit) -> list[Member]:
    """Those in the best state that what runs there is in: Envoy would try any address of an endpoint."""
    found: list[Member] = []
    for member in members:
        address, number, endpoint, _ = member
        rank = RANK[endpoint.state]
        if rank > best.get((endpoint.target, number), rank):
            why = "another address of what runs there is in a better state"
            omit(Omission(Reason.DUPLICATE_LOSER, written(address, number), why))
        else:
            found.append(member)
    return found


def _paired(members: Sequence[Member], others: Sequence[Member]) -> list[Member]:
    """The members, each with the address of another that is the same target and port; then the rest."""
    waiting: dict[_Place, list[Member]] = {}
    for other in reversed(others):
        if other[2].target:
            waiting.setdefault((other[2].target, other[1]), []).append(other)
    found: list[Member] = []
    taken: set[_Place] = set()
    for member in members:
        address, number, endpoint, _ = member
        of_target = waiting.get((endpoint.target, number))
        if of_target:
            other = of_target.pop()
            taken.add((other[0], other[1]))
            member = address, number, endpoint, other[0]
        found.append(member)
    return found + [other for other in others if (other[0], other[1]) not in taken]
