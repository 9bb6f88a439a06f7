"""What happens to the fleet, and how long each step takes until every Envoy has acknowledged it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.fleet.envoys import Envoys, resident_mb
from benchmarks.fleet.look import Look, look
from benchmarks.fleet.requests import Requests, calling
from benchmarks.fleet.world import World

from pilothouse.demo.control_plane import ControlPlane
from pilothouse.demo.processes import Processes, Unavailable
from pilothouse.demo.waiting import until

_WAVE = 16  # processes that start at the same time: more would only wait for each other
_STEP_S = 120.0
_EVERY_S = 0.005

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Step:
    """Seconds from its beginning until the first, half and all Envoys had answered; and responses sent.

    Seen by looking at the control plane's metrics again and again, so never too short.
    """

    what: str
    first_s: float
    half_s: float
    last_s: float
    responses: int


@dataclass(slots=True)
class Outcome:
    """Of a whole run. `sent_again` are responses to Envoys that came back with all that they need."""

    envoys: int
    steps: list[Step] = field(default_factory=list)
    requests: Requests = field(default_factory=Requests)
    sent_again: int = 0
    rejected: int = 0
    control_plane_mb: float = 0.0
    envoy_mb: float = 0.0

    @property
    def complaints(self) -> list[str]:
        """What should not have happened; empty if all is well."""
        failed = self.requests.failed
        found = {
            f"{failed.total()} requests failed: {dict(failed)}": failed,
            f"{self.sent_again} responses were sent again after a restart": self.sent_again,
            f"{self.rejected} responses were rejected": self.rejected,
        }
        return [complaint for complaint, happened in found.items() if happened]


class Story:
    """The steps, in the order in which they are to be called."""

    def __init__(self, size: int, plane: ControlPlane, envoys: Envoys, world: World, say: Say) -> None:
        self.outcome = Outcome(size)
        self._plane, self._envoys, self._world, self._say = plane, envoys, world, say

    async def play(self, rounds: int, processes: Processes) -> Outcome:
        """All of it. Raises Unavailable if a step does not end."""
        await self.start()
        async with calling(self._world.hosts, self._envoys.egress) as self.outcome.requests:
            for number in range(rounds):
                await self._change(number)
            await self._come_and_go()
            self.outcome.control_plane_mb = resident_mb(processes.pid(self._plane.name))
            self.outcome.envoy_mb = self._envoys.memory_mb()
            await self._restart("control plane killed, and back", self._plane.kill)
            await self._restart("control plane stopped, and back", self._plane.stop)
            await self._change(rounds)
        return self.outcome

    async def start(self) -> None:
        """Start the Envoys, a few at a time, and wait until all have everything."""
        begun = time.monotonic()
        for number in range(self.outcome.envoys):
            self._envoys.start()
            if number % _WAVE == _WAVE - 1:
                await self._until(
                    lambda seen, least=number - _WAVE: seen.streams >= least, "the start of Envoys"
                )
                self._say(f"{number + 1} Envoys started")
        seen = await self._until(self._settled, "every Envoy's first state")
        self._note("all started", begun, seen.pushes.total(), None)

    async def _change(self, number: int) -> None:
        before = (await self._look()).answered["EDS"]
        begun = time.monotonic()
        self._world.save(number % len(self._world.hosts))
        times = []
        for share in (1, (self.outcome.envoys + 1) // 2, self.outcome.envoys):
            await self._until(
                lambda seen, n=share: seen.answered["EDS"] - before >= n, "an endpoint's change"
            )
            times.append(time.monotonic() - begun)
        sent = (await self._look()).answered["EDS"] - before
        self._note(f"endpoints of service-{number % len(self._world.hosts)} changed", begun, sent, times)

    async def _come_and_go(self) -> None:
        new = len(self._world.hosts)
        for what, act in (
            ("a service added", lambda: self._world.save(new)),
            ("a service removed", self._gone),
        ):
            before = await self._look()
            begun = time.monotonic()
            act()
            seen = await self._until(lambda now, was=before: self._moved(was, now), what)
            self._note(what, begun, (seen.pushes - before.pushes).total(), None)

    def _gone(self) -> None:
        self._world.remove(len(self._world.hosts))

    def _moved(self, before: Look, now: Look) -> bool:
        """Whether all have answered for clusters and routes since then."""
        answered = now.answered - before.answered
        return min(answered["CDS"], answered["RDS"]) >= self.outcome.envoys and not now.awaiting.total()

    async def _restart(self, what: str, end: Callable[[], None]) -> None:
        self.outcome.rejected += (await self._look()).rejects
        end()
        await self._plane.start()
        begun = time.monotonic()
        seen = await self._until(self._settled, "the return of every Envoy")
        self.outcome.sent_again += seen.pushes.total()
        self._note(what, begun, seen.pushes.total(), None)

    def _settled(self, seen: Look) -> bool:
        return seen.settled(self.outcome.envoys)

    def _note(self, what: str, begun: float, responses: int, times: list[float] | None) -> None:
        now = time.monotonic() - begun
        first, half, last = times or (now, now, now)
        self.outcome.steps.append(Step(what, first, half, last, responses))
        self._say(f"{what}: {last:.2f} s, {responses} responses")

    async def _until(self, check: Callable[[Look], bool], what: str) -> Look:
        seen = await self._look()

        async def holds() -> bool:
            nonlocal seen
            seen = await self._look()
            return check(seen)

        if not await until(holds, _STEP_S, _EVERY_S):
            raise Unavailable(f"{what} took longer than {_STEP_S:.0f} s; the last look: {seen}")
        return seen

    async def _look(self) -> Look:
        return look(await self._plane.page("/metrics"))
