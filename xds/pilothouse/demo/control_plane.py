"""The control plane of the demo: starts it, kills it, starts it again, and asks it for its state."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from pilothouse.demo.processes import Processes, Unavailable, control_plane
from pilothouse.demo.traffic import Connection
from pilothouse.demo.waiting import until

_NAME = "control-plane"
_START_S = 30.0
_TYPES = 4
"""A sidecar asks for clusters, endpoints, listeners and routes."""


@dataclass(frozen=True, slots=True)
class Activity:
    """What its metrics say: open streams, requests by type, and the responses that it has sent."""

    streams: int
    requests: Counter[str]
    responses: int

    def has_heard(self, sidecars: int) -> bool:
        """Whether this many sidecars are connected and each has asked for every type."""
        asked = sum(count >= sidecars for count in self.requests.values())
        return self.streams == sidecars and asked >= _TYPES


class ControlPlane:
    """A control plane in its own process. It has the same ports at each start."""

    name = _NAME

    def __init__(self, processes: Processes, manifests: Path, xds: int, admin: int) -> None:
        self.xds = xds
        self._admin = admin
        self._processes = processes
        self._manifests = manifests

    async def start(self) -> None:
        """Start it and return when it is ready. Raises Unavailable."""
        self._processes.start(_NAME, control_plane(self._manifests, self.xds, self._admin))
        if not await until(self._ready, _START_S):
            raise Unavailable(f"{_NAME} is not ready: {self._processes.last_words(_NAME)}")

    def kill(self) -> None:
        """End it as a crash would."""
        self._processes.kill(_NAME)

    def stop(self) -> None:
        """End it as an upgrade would."""
        self._processes.stop(_NAME)

    async def heard_of(self, sidecars: int, within_s: float) -> bool:
        """Whether this many sidecars connect and ask for everything in time."""

        async def heard() -> bool:
            return (await self.activity()).has_heard(sidecars)

        return await until(heard, within_s)

    async def activity(self) -> Activity:
        families = {
            family.name: family for family in text_string_to_metric_families(await self.page("/metrics"))
        }
        requests: Counter[str] = Counter()
        for sample in families["pilothouse_requests"].samples:
            requests[sample.labels["type"]] += int(sample.value)
        return Activity(
            streams=int(sum(sample.value for sample in families["pilothouse_streams"].samples)),
            requests=requests,
            responses=int(sum(sample.value for sample in families["pilothouse_pushes"].samples)),
        )

    async def _ready(self) -> bool:
        self._processes.require()
        try:
            await self.page("/readyz")
        except Unavailable:
            return False
        return True

    async def page(self, path: str) -> str:
        """The answer of its admin port. Raises Unavailable."""
        connection = Connection("127.0.0.1", self._admin)
        try:
            answer = await connection.get("localhost", path)
        except (OSError, EOFError) as error:
            raise Unavailable(f"{_NAME} does not answer {path}: {error}") from None
        finally:
            connection.close()
        if answer.status != 200:
            raise Unavailable(f"{_NAME} answers {path} with {answer.status}")
        return answer.body.decode()
