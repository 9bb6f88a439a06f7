"""What it costs to follow a large cluster: from the first request until the registry has everything, and
again when all of it is listed anew and something has changed.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import uvloop

from pilothouse.apiserver.kubeconfig import Access
from pilothouse.registry.merged import Registry
from pilothouse.sources.kubernetes.kept import Kept
from pilothouse.sources.kubernetes.source import KubernetesSource
from pilothouse.structures.state import StateFolder

CASES = {"services": (10_000, 0), "both": (10_000, 10_000)}
_ENDPOINTS = 20


@contextmanager
def cluster(services: int, slices: int, every: int, paged: bool) -> Iterator[str]:
    """The URL of an API server with as many objects, of which each `every`th one changes."""
    size = ["--services", str(services), "--slices", str(slices), "--endpoints", str(_ENDPOINTS)]
    command = [sys.executable, "-m", "benchmarks.cluster", *size, "--every", str(every)]
    command += ["--paged"] if paged else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.kill()


class Clock:
    """CPU time of this process, and the longest time that the event loop was busy with one thing."""

    def __init__(self) -> None:
        self.longest_s = 0.0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._tick())
        self._cpu, self._begun = time.process_time(), time.perf_counter()
        try:
            yield
        finally:
            self.cpu_s, self.wall_s = time.process_time() - self._cpu, time.perf_counter() - self._begun
            task.cancel()

    async def _tick(self) -> None:
        while True:
            # In CPU time, so that it does not count when others have the core.
            before = time.process_time()
            await asyncio.sleep(0.001)
            self.longest_s = max(self.longest_s, time.process_time() - before)

    def figures(self, what: str) -> dict[str, float]:
        found = {"cpu_s": self.cpu_s, "s": self.wall_s, "longest_ms": self.longest_s * 1e3}
        return {f"{what}_{name}": round(value, 3) for name, value in found.items()}


async def measure(
    url: str, services: int, endpoints: int, every: int, state: Path | None
) -> dict[str, float]:
    registry = Registry(["kubernetes"])
    kept = Kept(StateFolder(state), pause_s=1.0) if state else None
    source = KubernetesSource(Access(url), kept=kept)
    before_s, idle = _loop_s(), _resident_mb()
    gc.disable()  # as pilothouse does until everything is loaded
    async with asyncio.TaskGroup() as tasks:
        first, again = Clock(), Clock()
        async with first.running():
            running = tasks.create_task(source.run(registry.shard("kubernetes")))
            await registry.until_synced()
        assert (len(registry.services), registry.endpoints) == (services, endpoints)
        figures = first.figures("list") | {"peak_mb": _peak_mb() - idle}
        gc.collect()
        gc.freeze()
        gc.enable()
        gc.set_threshold(10_000, 5, 5000)
        figures["kept_mb"] = round(_resident_mb() - idle, 1)
        await registry.changed.take()
        if state:
            keeping = Clock()
            async with keeping.running():
                await asyncio.to_thread(_until_written, state)
            figures |= keeping.figures("keep")
        before = dict(registry.services)
        async with again.running():
            source.reread()
            while True:
                await registry.changed.take()
                changed = sum(registry.services[name] is not was for name, was in before.items())
                if changed == len(range(0, services, every)):
                    break
        figures |= again.figures("relist") | {"relist_peak_mb": _peak_mb() - idle}
        running.cancel()
    figures["loop_s"] = (before_s + _loop_s()) / 2
    return {name: round(value, 3) for name, value in figures.items()}


def _until_written(folder: Path) -> None:
    # One file for each kind: Services, slices and Nodes.
    while len([*folder.iterdir()]) < 3:
        time.sleep(0.1)


def _loop_s() -> float:
    """How long this machine takes for something that is always the same, in CPU seconds."""
    begun, total = time.process_time(), 0
    for i in range(5_000_000):
        total += i
    return time.process_time() - begun


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def _peak_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", choices=CASES, action="append")
    parser.add_argument("--every", type=int, default=1, help="each Nth object changes", metavar="N")
    parser.add_argument("--paged", action="store_true", help="lists come in pages, and are not streamed")
    parser.add_argument("--state", action="store_true", help="with a state folder")
    parser.add_argument("--profile", type=Path, help="write a profile there")
    parser.add_argument("--url", help=argparse.SUPPRESS)
    said = parser.parse_args()
    for case in said.case or CASES:
        services, slices = CASES[case]
        if said.url:
            figures = _measured(said.url, services, slices, said)
            print(json.dumps(figures))
            continue
        with cluster(services, slices, said.every, said.paged) as url:
            # A process of its own, since memory is never given back as it was.
            command = [sys.executable, "-m", "benchmarks.listing", "--url", url, "--case", case]
            command += ["--every", str(said.every)]
            command += ["--state"] if said.state else []
            command += ["--profile", str(said.profile)] if said.profile else []
            print(case, subprocess.check_output(command, text=True).strip(), flush=True)


def _measured(url: str, services: int, slices: int, said: argparse.Namespace) -> dict[str, float]:
    endpoints = min(services, slices) * _ENDPOINTS
    with tempfile.TemporaryDirectory() as folder:
        work = measure(url, services, endpoints, said.every, Path(folder) if said.state else None)
        if said.profile is None:
            return uvloop.run(work)
        import cProfile

        with cProfile.Profile() as profiler:
            figures = uvloop.run(work)
        profiler.dump_stats(said.profile)
        return figures


if __name__ == "__main__":
    main()
