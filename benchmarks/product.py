"""Pilothouse as it is measured: all of it, with services that the control port changes.

Changes enter at the sink of a source or, with --manifests, in a manifest on disk; everything behind
that is what `pilothouse serve` runs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import uvloop
from benchmarks.control import Fleet, control
from benchmarks.manifests import manifest
from benchmarks.world import changed, service

from pilothouse import app
from pilothouse.cli import logs, workers
from pilothouse.cli.workers import reserved
from pilothouse.config.settings import Settings
from pilothouse.model.reasons import Reason
from pilothouse.sources import Fault, Sink, Source
from pilothouse.sources.files.settings import FilesSettings
from pilothouse.structures.hostport import HostPort


class BenchmarkSource:
    """A source of as many services as are wanted, each of which can be changed."""

    name = "benchmark"
    faults: Sequence[Fault] = ()
    left_out: Mapping[Reason, int] = {}

    def __init__(self, services: int, endpoints: int) -> None:
        self._services = [service(i, endpoints) for i in range(services)]
        self._sink: Sink  # from `run` on, before which there is no port to be asked for changes on

    async def run(self, sink: Sink) -> None:
        self._sink = sink
        sink.replace(self._services)
        await asyncio.Event().wait()

    def reread(self) -> None:
        """Nothing is read."""

    def change(self, number: int, sequence: int) -> None:
        before = self._services[number]
        self._sink.put(replace(before, endpoints=changed(before.endpoints, sequence)))


class Manifests:
    """The same services as manifests in a folder, one file for each."""

    def __init__(self, folder: Path, services: int, endpoints: int) -> None:
        self._folder = folder
        self._services = [service(i, endpoints) for i in range(services)]
        for number, each in enumerate(self._services):
            self._file(number).write_text(manifest(each))

    def change(self, number: int, sequence: int) -> None:
        before = self._services[number]
        draft = self._folder / f".{number}.draft"
        draft.write_text(manifest(replace(before, endpoints=changed(before.endpoints, sequence))))
        draft.replace(self._file(number))

    def _file(self, number: int) -> Path:
        return self._folder / f"cluster-{number:05}.yaml"


class Measured(Fleet):
    """What the control port is told and asked."""

    def __init__(
        self, source: BenchmarkSource | Manifests | Spread, services: int, endpoints: int, pid: int
    ) -> None:
        self._source = source
        self._size = {"services": services, "endpoints": endpoints}
        self._pid = pid  # whose children count as well
        self._begun = time.perf_counter()
        self._ready_s = 0.0
        self._admin = ""

    def state(self) -> Mapping[str, object]:
        return {"pid": self._pid, "ready_s": self._ready_s, "admin": self._admin, **self._size}

    async def change(self, service: int, sequence: int) -> None:
        self._source.change(service, sequence)

    def ready(self, admin: int = 0) -> None:
        """`admin` is the port of the admin, if there is one."""
        self._ready_s = time.perf_counter() - self._begun
        self._admin = f"127.0.0.1:{admin}" if admin else ""


async def serve(services: int, endpoints: int, folder: Path, on_disk: bool) -> int:
    """Run the product. Prints one line, the addresses of its two ports, once both serve."""
    source = Manifests(folder, services, endpoints) if on_disk else BenchmarkSource(services, endpoints)
    measured = Measured(source, services, endpoints, os.getpid())
    control_port = await control(measured)
    free = HostPort("127.0.0.1", 0)

    def opened(xds: int, admin: int) -> None:
        measured.ready(admin)
        print(f"127.0.0.1:{xds} 127.0.0.1:{control_port}", flush=True)

    sources: list[Source] | None = [source] if isinstance(source, BenchmarkSource) else None
    await app.run(
        Settings(sources=(FilesSettings(manifests=(folder,)),), xds=free, admin=free, no_state=True),
        sources,
        opened,
    )
    return 0


class Relayed(BenchmarkSource):
    """The source of a worker, which is told of changes on a pipe: a line for each, service and sequence."""

    def __init__(self, services: int, endpoints: int, told: int) -> None:
        super().__init__(services, endpoints)
        self._told = told

    async def run(self, sink: Sink) -> None:
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(self._told, "rb"))
        self._sink = sink
        sink.replace(self._services)
        while line := await reader.readline():
            number, sequence = map(int, line.split())
            self.change(number, sequence)


class Spread:
    """Changes are told to each of the workers."""

    def __init__(self, pipes: Sequence[tuple[int, int]]) -> None:
        self._pipes = pipes

    def change(self, number: int, sequence: int) -> None:
        for _, tell in self._pipes:
            os.write(tell, b"%d %d\n" % (number, sequence))


def serve_by_workers(count: int, services: int, endpoints: int, folder: Path) -> int:
    """Run workers as `pilothouse serve --workers` does, and the control port in one more process."""
    pipes, (ready, opened) = [os.pipe() for _ in range(count)], os.pipe()
    with reserved(HostPort("127.0.0.1", 0)) as xds:
        admin = HostPort("127.0.0.1", 0)
        settings = Settings(xds=xds, admin=admin, workers=count, no_state=True)

        async def control_port() -> int:
            measured = Measured(Spread(pipes), services, endpoints, os.getppid())
            port = await control(measured)
            for _ in range(count):
                await asyncio.to_thread(os.read, ready, 1)
            measured.ready()
            print(f"{xds} 127.0.0.1:{port}", flush=True)
            await asyncio.Event().wait()
            return 0

        async def worker(index: int) -> int:
            source = Relayed(services, endpoints, pipes[index][0])
            await app.run(settings, [source], lambda xds, admin: bool(os.write(opened, b".")))
            return 0

        return workers.run(
            count + 1, lambda index, _: uvloop.run(worker(index) if index < count else control_port())
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=100)
    parser.add_argument("--endpoints", type=int, default=10)
    parser.add_argument("--folder", type=Path, required=True, help="an empty one, for manifests")
    parser.add_argument("--manifests", action="store_true", help="changes are made to manifests")
    parser.add_argument("--workers", type=int, default=1, help="processes on one port")
    said = parser.parse_args()
    logs.configure("json")
    if said.workers > 1:
        sys.exit(serve_by_workers(said.workers, said.services, said.endpoints, said.folder))
    uvloop.run(serve(said.services, said.endpoints, said.folder, said.manifests))


if __name__ == "__main__":
    main()
