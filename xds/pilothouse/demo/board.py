"""What the demo shows while it runs: a row for each endpoint, and the progress of the story."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pilothouse.demo.mesh import CALLERS, FLOWS, HOSTS, Flow, Mesh, Pod
from pilothouse.demo.shares import wanted
from pilothouse.demo.sightings import RECENT_S, Sightings, Watch
from pilothouse.demo.story import STORY, Act
from pilothouse.demo.verdict import Verdict


class Row(NamedTuple):
    """One endpoint. Shares are of all requests to its host, from 0 to 1. None if there were no requests.

    `callers` are the zones of its recent callers. `changed_ms` is the time that its last change took.
    """

    service: str
    pod: Pod
    health: str
    wanted: float
    seen: float | None
    callers: tuple[str, ...]
    changed_ms: float | None


@dataclass
class Board:
    """The mesh as the manifests describe it, what its callers see, and the acts so far."""

    mesh: Mesh
    sightings: Mapping[Flow, Sightings]
    began_s: float
    act: Act | None = None
    verdicts: list[Verdict] = field(default_factory=list)
    changed_ms: dict[str, float] = field(default_factory=dict)

    @property
    def sent(self) -> int:
        return sum(one.sent for one in self.sightings.values())

    @property
    def failed(self) -> int:
        return sum(one.failed for one in self.sightings.values())

    def rate(self, now_s: float) -> float:
        """The recent rate of requests per second."""
        return sum(one.recent(now_s).total() for one in self.sightings.values()) / RECENT_S

    def took(self, watches: Iterable[Watch]) -> None:
        """Record how long a change took at the slowest caller, for each pod whose share it changed."""
        slowest: dict[str, float] = {}
        for watch in watches:
            for pod in watch.before.keys() | watch.after.keys():
                if watch.took_ms is not None and watch.before.get(pod) != watch.after.get(pod):
                    slowest[pod] = max(slowest.get(pod, 0.0), watch.took_ms)
        self.changed_ms.update(slowest)

    def rows(self, now_s: float) -> list[Row]:
        """A row for each pod, in order."""
        recent = {flow: self.sightings[flow].recent(now_s) for flow in FLOWS}
        due = {flow: wanted(self.mesh, flow) for flow in FLOWS}
        totals = {host: sum(recent[flow].total() for flow in FLOWS if flow.host == host) for host in HOSTS}
        rows = []
        for pod in self.mesh.pods:
            host = "web" if pod.service in ("blue", "green") else pod.service
            flows = [Flow(caller, host) for caller in CALLERS]
            seen = sum(recent[flow][pod.name] for flow in flows)
            rows.append(
                Row(
                    pod.service,
                    pod,
                    self._health(pod, host),
                    float(sum(due[flow].get(pod.name, 0) for flow in flows)) / len(flows),
                    seen / totals[host] if totals[host] else None,
                    tuple(flow.caller.zone for flow in flows if recent[flow][pod.name]),
                    self.changed_ms.get(pod.name),
                )
            )
        return rows

    def _health(self, pod: Pod, host: str) -> str:
        if pod not in self.mesh.behind(host):
            return "no pods" if pod.service in self.mesh.services else "no service"
        return "ready" if pod.ready else "not ready"

    def statuses(self) -> list[tuple[Act, Verdict | None]]:
        """Every act, with its result if it is over."""
        over: list[Verdict | None] = [*self.verdicts, *[None] * len(STORY)]
        return list(zip(STORY, over, strict=False))
