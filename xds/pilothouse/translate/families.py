"""Addresses of both families: one endpoint for each thing that runs, with what a client can call of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

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

    Two addresses of one target are one endpoint: as two, it would get twice the requests. Without a
    target there is no telling.
    """
    found: dict[Family, list[Member]] = {"ipv4": [], "ipv6": []}
    for member in members:
        found["ipv6" if ":" in member[0] else "ipv4"].append(member)
    for family in found.keys() - set(families):
        for address, number, _, _ in found[family]:
            omit(Omission(Reason.FAMILY, written(address, number)))
    first, *second = families
    return _paired(found[first], found[second[0]]) if second else found[first]


def _paired(members: Sequence[Member], others: Sequence[Member]) -> list[Member]:
    """The members, each with the address of another that is the same target and port; then the rest."""
    waiting: dict[tuple[str, int], list[Member]] = {}
    for other in reversed(others):
        if other[2].target:
            waiting.setdefault((other[2].target, other[1]), []).append(other)
    found: list[Member] = []
    taken: set[tuple[str, int]] = set()
    for member in members:
        of_target = waiting.get((member[2].target, member[1]))
        if of_target:
            other = of_target.pop()
            taken.add((other[0], other[1]))
            member = _joined(member, other)
        found.append(member)
    return found + [other for other in others if (other[0], other[1]) not in taken]


def _joined(member: Member, other: Member) -> Member:
    address, number, endpoint, _ = member
    state = min(endpoint.state, other[2].state, key=RANK.__getitem__)
    if state is not endpoint.state:
        endpoint = replace(endpoint, state=state)
    return address, number, endpoint, other[0]
