"""Measure Pilothouse at a real API server, and istiod beside it: `make bench-kubernetes`.

etcd and kube-apiserver are real, and filled with Services and EndpointSlices. Those that follow them take
turns, each started anew. A change is one endpoint of one slice, written to the API server; times begin when
it is sent there, and end when a sidecar has it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks import servers
from benchmarks.control import control
from benchmarks.figures import FIGURES, LAST, Figure, Run
from benchmarks.kubernetes.followers import (
    ALL,
    ISTIOD,
    ISTIOD_AT_ONCE,
    PILOTHOUSE,
    build,
    following,
    relist_ms,
)
from benchmarks.kubernetes.world import MOST_ENDPOINTS, World
from benchmarks.machine import machine
from benchmarks.servers import Case, Failed, Running, allow_many_connections, measure
from benchmarks.tables import Ratio, show
from rich.console import Console
from tests.real.cluster import Cluster
from tests.real.plane import Plane
from tests.real.programs import KUBE, Missing

_CASES = "1000x10x100,1000x10x1000"
_SCALE = "10000x10x100"
_QUICK = "100x10x20"
_STEPS = 3
#: The Service of the API server itself, and what istiod has beside services.
_OTHER_CLUSTERS = 8
_OWN = (
    Figure("churn sent median", ("churn", "asked_median_ms")),
    Figure("churn sent p99", ("churn", "asked_p99_ms")),
    Figure("changes made", ("churn", "changes")),
    Figure("KB a change", ("rounds", "received_kb")),
    Figure("start s CPU", ("state", "ready_cpu_s")),
    Figure("start MB", ("state", "ready_peak_mb")),
    Figure("relist ms", ("state", "relist_ms")),
    Figure("write ms", ("api", "write_ms")),
)
_LEFT_OUT = {"first ms", "1st half p99", "2nd half p99"}
_FIGURES = [figure for figure in (*FIGURES, *_OWN) if figure.title not in _LEFT_OUT]
_RATIOS = [Ratio(f"{peer} / {PILOTHOUSE}", (peer,), {}) for peer in (ISTIOD, ISTIOD_AT_ONCE)]


def main() -> None:
    said = _arguments()
    progress = Console(stderr=True)
    try:
        servers.build()
        for name in said.servers:
            build(name)
        program = KUBE.build()
    except (Failed, Missing) as failed:
        sys.exit(f"bench-kubernetes: {failed}")
    allow_many_connections()
    runs: list[Run] = []
    for case in said.cases:
        runs += asyncio.run(_case(case, program, said, progress))
    if said.output == "json":
        json.dump({"machine": machine(), "runs": [asdict(run) for run in runs]}, sys.stdout, indent=1)
    else:
        show(runs, said.cases, said.servers, _FIGURES, _RATIOS if len(said.servers) > 1 else [])
    sys.exit(0 if runs else 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-kubernetes ARGS=", description=__doc__)
    parser.add_argument("--cases", help=f"services x endpoints x clients [default: {_CASES}]")
    parser.add_argument("--variant", default="delta", choices=("sotw", "delta"), help="[default: delta]")
    parser.add_argument("--servers", default=",".join(ALL), help="[default: %(default)s]")
    parser.add_argument("--runs", type=int, default=1, help="turns of each server [default: 1]")
    parser.add_argument("--rounds", type=int, default=20, help="changes in a turn [default: 20]")
    parser.add_argument("--churn", type=float, default=0, metavar="RATE", help="then changes a second")
    parser.add_argument("--period", type=int, default=10, help="s that these go on [default: 10]")
    parser.add_argument("--quick", action="store_true", help=f"one small case, {_QUICK}")
    parser.add_argument(
        "--scale", action="store_true", help=f"{_SCALE} and 200 changes a second, of Pilothouse only"
    )
    parser.add_argument("--timeout", type=float, default=600, help="s for a step [default: 600]")
    parser.add_argument("--logs", type=Path, help="folder that keeps all logs")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    said = parser.parse_args()
    if said.scale:
        said.cases, said.servers, said.churn = said.cases or _SCALE, PILOTHOUSE, said.churn or 200.0
    sizes = said.cases or (_QUICK if said.quick else _CASES)
    try:
        said.cases = [Case.parsed(size, said.variant) for size in sizes.split(",")]
    except ValueError as wrong:
        parser.error(str(wrong))
    said.servers = [name.strip() for name in said.servers.split(",")]
    if unknown := set(said.servers).difference(ALL):
        parser.error(f"--servers: {', '.join(unknown)}: there are {', '.join(ALL)}")
    if any(case.endpoints > MOST_ENDPOINTS for case in said.cases):
        parser.error(f"--cases: at most {MOST_ENDPOINTS} endpoints of a service are in one slice")
    return said


async def _case(case: Case, program: Path, said: argparse.Namespace, progress: Console) -> Sequence[Run]:
    with TemporaryDirectory(prefix="bench-") as temporary, ExitStack() as cleanup:
        cluster = Cluster(program, said.logs or Path(temporary))
        cleanup.callback(cluster.stop)
        cluster.etcd.start()
        await asyncio.to_thread(cluster.start_api_server)
        cluster.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system"}})
        async with World(cluster, case.services, case.endpoints) as world:
            await world.fill()
            progress.print(f"{case}: the API server is filled", highlight=False)
            turns = _Turns(case, cluster, world, await control(world))
            return [run async for run in turns.runs(said, progress)]


@dataclass(frozen=True, slots=True)
class _Turns:
    """All servers, one after the other, at one API server. The control port writes to it."""

    case: Case
    cluster: Cluster
    world: World
    control: int

    async def runs(self, said: argparse.Namespace, progress: Console) -> AsyncIterator[Run]:
        options = [f"-variant={self.case.variant}", f"-clients={self.case.clients}"]
        options += [f"-rounds={said.rounds}", f"-rate={said.churn}", f"-period={said.period}s"]
        options += [f"-others={_OTHER_CLUSTERS}", f"-timeout={said.timeout:.0f}s"]
        for number in range(said.runs):
            for name in said.servers:
                folder = self.cluster.folder / f"{name}-{number}"
                folder.mkdir()
                await self.world.restore()
                try:
                    measured = await asyncio.to_thread(
                        self._measured, name, folder, options, _STEPS * said.timeout
                    )
                except (Failed, TimeoutError, AssertionError) as failed:
                    progress.print(f"{self.case}, {name}: {failed}", style="red", highlight=False)
                    continue
                last = LAST.of(measured) or 0
                progress.print(f"{self.case}, {name}: last client {last:.1f} ms", highlight=False)
                yield Run(self.case, number, name, measured)

    def _measured(
        self, name: str, folder: Path, options: Sequence[str], timeout_s: float
    ) -> dict[str, object]:
        """On a thread, since the control port answers meanwhile."""
        with following(name, folder, self.cluster) as (follower, state):
            self.world.at = state
            at = Running(f"127.0.0.1:{follower.xds}", f"127.0.0.1:{self.control}", state)
            measured = measure(at, options, timeout_s)
            if isinstance(follower, Plane):
                state["relist_ms"] = relist_ms(follower)
        written = self.world.writes_ms
        return measured | {"state": state, "api": {"write_ms": median(written) if written else None}}


if __name__ == "__main__":
    main()
