"""Addresses of both families: one endpoint for each thing that runs, with what a client can call of it."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import replace

from pilothouse.model import Family
from pilothouse.reasons import Omission, Omit, Reason
from pilothouse.translate.members import RANK, Member, written


def family(address: str) -> Family:
    return "ipv6" if ":" in address else "ipv4"


def present(members: Sequence[Member], ipv6_first: bool) -> tuple[Family, ...]:
    """The families that there are addresses of, the preferred one first."""
    six = sum([":" in member[0] for member in members])
    if six == 0:
        return ("ipv4",)
    if six == len(members):
        return ("ipv6",)
    return ("ipv6", "ipv4") if ipv6_first else ("ipv4", "ipv6")


def reachable(members: Sequence[Member], families: tuple[Family, ...], omit: Omit) -> list[Member]:
    """What a client can call that has these families, the preferred one first.

    Two addresses of one target are one endpoint: as two, it would get twice the requests. Without a
    target there is no telling.
    """
    able = [member for member in members if family(member[0]) in families]
    for address, number, _, _ in members:
        if family(address) not in families:
            omit(Omission(Reason.FAMILY, written(address, number)))
    return _paired(able, families[0]) if len(families) > 1 else able


def _paired(members: Sequence[Member], first: Family) -> list[Member]:
    others: defaultdict[tuple[str, int], deque[Member]] = defaultdict(deque)
    for member in members:
        if member[2].target and family(member[0]) != first:
            others[member[2].target, member[1]].append(member)
    found: list[Member] = []
    taken: set[tuple[str, int]] = set()
    for member in members:
        address, number, endpoint, _ = member
        waiting = others.get((endpoint.target, number))
        if family(address) != first or not waiting:
            found.append(member)
            continue
        other, _, twin, _ = waiting.popleft()
        taken.add((other, number))
        state = min(endpoint.state, twin.state, key=RANK.__getitem__)
        found.append((address, number, replace(endpoint, state=state), other))
    return [member for member in found if member[:2] not in taken]
