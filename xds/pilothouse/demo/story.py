"""The story of the demo: a sequence of changes, and for each the flow of requests that shows it best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from pilothouse.demo.mesh import CALLERS, Flow, Mesh


class Doing(Enum):
    """How an act is performed."""

    RENAME = "the manifests are replaced"
    IN_PLACE = "the manifests are written in place"
    KILL = "SIGKILL to the control plane"
    RESTART = "the control plane is started again"


def _nothing(mesh: Mesh) -> Mesh:
    return mesh


@dataclass(frozen=True, slots=True)
class Act:
    """A change of the mesh, and how it is made. `focus` is the flow that the summary shows.

    The act needs `least_per_s` requests per second to that service. With fewer, it would show too little.
    """

    step: int
    title: str
    doing: Doing
    focus: Flow
    edit: Callable[[Mesh], Mesh] = _nothing
    least_per_s: float = 0.0


def _weight(pod: str, weight: int) -> Callable[[Mesh], Mesh]:
    return lambda mesh: mesh.changed({pod}, weight=weight)


def _ready(pod: str, ready: bool) -> Callable[[Mesh], Mesh]:
    return lambda mesh: mesh.changed({pod}, ready=ready)


def _zone(zone: str, ready: bool) -> Callable[[Mesh], Mesh]:
    return lambda mesh: mesh.changed(mesh.in_zone(zone), ready=ready)


def _scaled_to_zero(*services: str) -> Callable[[Mesh], Mesh]:
    return lambda mesh: replace(mesh, empty=frozenset(services))


def _moved(target: str) -> Callable[[Mesh], Mesh]:
    return lambda mesh: replace(mesh, web=target)


_A, _B, _C = CALLERS

STORY = (
    Act(1, "weight of payments-a1: 1 -> 5", Doing.RENAME, Flow(_A, "payments"), _weight("payments-a1", 5)),
    Act(2, "payments-b1 fails readiness", Doing.IN_PLACE, Flow(_B, "payments"), _ready("payments-b1", False)),
    Act(2, "payments-b1 is ready again", Doing.RENAME, Flow(_B, "payments"), _ready("payments-b1", True)),
    Act(3, "zone eu-c is lost", Doing.RENAME, Flow(_C, "payments"), _zone("eu-c", False)),
    Act(3, "zone eu-c is back", Doing.IN_PLACE, Flow(_C, "payments"), _zone("eu-c", True)),
    Act(4, "search scales to zero", Doing.RENAME, Flow(_A, "search"), _scaled_to_zero("search")),
    Act(4, "search scales up again", Doing.IN_PLACE, Flow(_A, "search"), _scaled_to_zero()),
    Act(5, "web moves from blue to green", Doing.RENAME, Flow(_A, "web"), _moved("green"), 300.0),
    Act(6, "the control plane is killed", Doing.KILL, Flow(_A, "payments")),
    Act(6, "the control plane is back", Doing.RESTART, Flow(_A, "payments")),
    Act(6, "weight of payments-a1: 5 -> 1", Doing.IN_PLACE, Flow(_A, "payments"), _weight("payments-a1", 1)),
)
