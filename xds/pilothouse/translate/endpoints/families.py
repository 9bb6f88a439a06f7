"""Address families: which addresses a client can call, and which two addresses are one endpoint."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import Family, State
from pilothouse.translate.endpoints.members import RANK, Member, written


def present(members: Sequence[Member], ipv6_first: bool) -> tuple[Family, ...]:
    """The address families of the members, the preferred one first."""
    six = len([member for member in members if ":" in member[0]])
    if six == 0:
        return ("ipv4",)
    if six == len(members):
        return ("ipv6",)
    return ("ipv6", "ipv4") if ipv6_first else ("ipv4", "ipv6")


#: An address and a port, or a workload and a port.
_Place: TypeAlias = tuple[str, int]


class Reachable(NamedTuple):
    """The members that a client can call, and those that it cannot.

    `of_others`: members of families that the client does not have.
    `outdone`: addresses of a workload that has another address in a better state.
    """

    members: Sequence[Member]
    of_others: Sequence[Member]
    outdone: Collection[_Place]

    @property
    def omissions(self) -> Iterator[Omission]:
        for address, number, _, _ in self.of_others:
            yield Omission(Reason.FAMILY, written(address, number))
        for address, number in sorted(self.outdone):
            why = "another address of what runs there is in a better state"
            yield Omission(Reason.DUPLICATE_LOSER, written(address, number), why)


def reachable(members: Sequence[Member], families: tuple[Family, ...]) -> Reachable:
    """The members that a client with these families can call. The preferred family is first.

    Two addresses of one workload are one endpoint, because as two endpoints it would get twice the requests.
    If only one of them is ready, the endpoint has only that one. Members without a workload cannot be paired.
    """
    first, *second = families
    outdone = _outdone(members) if second else ()
    found: dict[Family, list[Member]] = {"ipv4": [], "ipv6": []}
    for member in members:
        if not outdone or (member[0], member[1]) not in outdone:
            found["ipv6" if ":" in member[0] else "ipv4"].append(member)
    if second:
        return Reachable(_paired(found[first], found[second[0]]), (), outdone)
    return Reachable(found[first], found["ipv4" if first == "ipv6" else "ipv6"], ())


def _outdone(members: Sequence[Member]) -> Collection[_Place]:
    """The addresses of workloads that have another address in a better state.

    Envoy would try every address of an endpoint, so an endpoint has only those in its best state.
    """
    doubtful = {member[2].workload for member in members if member[2].state is not State.READY} - {""}
    if not doubtful:
        return ()
    ranked = [member for member in members if member[2].workload in doubtful]
    best: dict[_Place, int] = {}
    for _, number, endpoint, _ in ranked:
        rank, place = RANK[endpoint.state], (endpoint.workload, number)
        best[place] = min(rank, best.get(place, rank))
    return {
        (address, number)
        for address, number, endpoint, _ in ranked
        if RANK[endpoint.state] > best[endpoint.workload, number]
    }


def _paired(members: Sequence[Member], others: Sequence[Member]) -> list[Member]:
    """The members, each with the other address of the same workload and port if there is one; then the
    rest.
    """
    waiting: dict[_Place, list[Member]] = {}
    for other in reversed(others):
        if other[2].workload:
            waiting.setdefault((other[2].workload, other[1]), []).append(other)
    found: list[Member] = []
    taken: set[_Place] = set()
    for member in members:
        address, number, endpoint, _ = member
        of_workload = waiting.get((endpoint.workload, number))
        if of_workload:
            other = of_workload.pop()
            taken.add((other[0], other[1]))
            member = address, number, endpoint, other[0]
        found.append(member)
    return found + [other for other in others if (other[0], other[1]) not in taken]
