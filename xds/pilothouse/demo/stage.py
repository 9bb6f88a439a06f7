"""The running mesh: control plane, backends, Envoys and callers, and the operations on them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from pilothouse.demo import backends, sidecars
from pilothouse.demo.control_plane import ControlPlane
from pilothouse.demo.manifests import manifests, save
from pilothouse.demo.mesh import CALLERS, FLOWS, START, Caller, Flow, Mesh
from pilothouse.demo.ports import Ports
from pilothouse.demo.processes import Processes
from pilothouse.demo.shares import wanted
from pilothouse.demo.sidecars import asked_as
from pilothouse.demo.sightings import Sightings, Watch
from pilothouse.demo.traffic import drive

PACE = {"payments": (1, 160.0), "search": (1, 80.0), "web": (4, 40.0)}
"""For each host: how many connections a caller has, and requests per second on each."""


class Stage:
    """A mesh, its manifests on the disk, and what its callers see."""

    def __init__(self, folder: Path, backend_port: int, control_plane: ControlPlane) -> None:
        self.mesh = START
        self.control_plane = control_plane
        self.sightings = {flow: Sightings(self._watch(flow, START)) for flow in FLOWS}
        self._folder = folder
        self._backend_port = backend_port
        self._files = manifests(START, backend_port)
        save(folder, {}, self._files)

    def watch(self, after: Mesh) -> dict[Flow, Watch]:
        """Begin to watch the effect of a change on each flow."""
        watches = {flow: self._watch(flow, after) for flow in FLOWS}
        for flow, watch in watches.items():
            self.sightings[flow].watch = watch
        return watches

    def edit(self, after: Mesh, in_place: bool) -> dict[Flow, Watch]:
        """Save what differs in the manifests. Returns the watches of its effect."""
        # Render before the clock starts.
        before, self._files = self._files, manifests(after, self._backend_port)
        watches = self.watch(after)
        self.mesh = after
        save(self._folder, before, self._files, in_place)
        return watches

    def _watch(self, flow: Flow, after: Mesh) -> Watch:
        connections, _ = PACE[flow.host]
        return Watch(wanted(self.mesh, flow), wanted(after, flow), connections == 1, time.monotonic())


@asynccontextmanager
async def running(envoy: Path, processes: Processes) -> AsyncIterator[Stage]:
    """The mesh at its start, under traffic. Raises Unavailable, or ConfigError if no port is free."""
    ports, registry = Ports(), processes.folder / "manifests"
    registry.mkdir()
    backend_port = ports.free([pod.address for pod in START.pods])
    egress = {caller: ports.free() for caller in CALLERS}
    control_plane = ControlPlane(processes, registry, ports.free(), ports.free())
    stage = Stage(registry, backend_port, control_plane)
    async with backends.serving(START.pods, backend_port):
        await control_plane.start()
        for caller, port in egress.items():
            sidecars.start(envoy, processes, caller, control_plane.xds, port)
        for caller, port in egress.items():
            await sidecars.warm(processes, caller, port)
        async with _calling(stage, egress):
            yield stage


@asynccontextmanager
async def _calling(stage: Stage, egress: Mapping[Caller, int]) -> AsyncIterator[None]:
    """Every caller calls every service while the block runs."""
    calls = []
    for flow, sightings in stage.sightings.items():
        connections, per_s = PACE[flow.host]
        for _ in range(connections):
            call = drive(asked_as(flow), egress[flow.caller], per_s, sightings)
            calls.append(asyncio.create_task(call))
    try:
        yield
    finally:
        for task in calls:
            task.cancel()
        await asyncio.wait(calls)
    for task in calls:
        if not task.cancelled():
            task.result()
