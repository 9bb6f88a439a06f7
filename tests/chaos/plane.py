"""The control plane under test: `pilothouse serve`, on the same ports whenever it is started."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from benchmarks.fleet.envoys import resident_mb

from pilothouse.demo.ports import Ports
from pilothouse.demo.processes import Processes, Unavailable
from pilothouse.demo.traffic import Answer, Connection
from pilothouse.demo.waiting import until

_NAME = "control-plane"
_PROGRAM = Path(sys.executable).with_name("pilothouse")


class Plane:
    """One process, or one with workers. `log` is all that it has written since the first launch."""

    def __init__(self, processes: Processes, manifests: Path, ports: Ports) -> None:
        self.xds, self.admin = ports.free(), _free_pair(ports)
        self._processes, self._manifests = processes, manifests

    def launch(self, *flags: str) -> None:
        ports = ["--xds", f"127.0.0.1:{self.xds}", "--admin", f"127.0.0.1:{self.admin}"]
        usual: list[str | Path] = ["--manifests", self._manifests, *ports, "--log-format", "json"]
        self._processes.start(_NAME, [_PROGRAM, "serve", *usual, "--allow-loopback-endpoints", *flags])

    async def up(self, within_s: float = 45.0) -> None:
        """Return when the port for sidecars is open. Raises Unavailable."""
        if not await until(self._open, within_s):
            words = self._processes.last_words(_NAME)
            raise Unavailable(f"the port for sidecars is not open after {within_s:.0f} s: {words}")

    async def _open(self) -> bool:
        self._processes.require()
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.xds)
        except OSError:
            return False
        writer.close()
        return True

    @property
    def pid(self) -> int:
        return self._processes.pid(_NAME)

    @property
    def workers(self) -> list[int]:
        """The processes of `--workers`."""
        return sorted(_children(self.pid))

    @property
    def memory_mb(self) -> float:
        """Of the process and its workers."""
        return sum(map(resident_mb, [self.pid, *self.workers]))

    @property
    def log(self) -> str:
        return (self._processes.folder / f"{_NAME}.log").read_text(errors="replace")

    def clients(self, pid: int) -> int:
        """How many connections to the port for sidecars a process holds."""
        inodes = _established(self.xds)
        return sum(_inode(link) in inodes for link in Path(f"/proc/{pid}/fd").iterdir())

    def require(self) -> None:
        """Raise Unavailable if it has ended by itself."""
        self._processes.require()

    def crash(self) -> None:
        """End the process and its workers as a power cut would."""
        os.killpg(self.pid, signal.SIGKILL)
        self._processes.kill(_NAME)

    async def terminates(self, within_s: float) -> bool:
        """Ask it to end; whether it does."""
        os.kill(self.pid, signal.SIGTERM)
        stat = Path(f"/proc/{self.pid}/stat")
        ended = await until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z", within_s)
        self.crash()
        return ended

    async def says(self, path: str, worker: int = 0) -> Answer:
        """What an admin port answers. Raises OSError, EOFError or TimeoutError."""
        connection = Connection("127.0.0.1", self.admin + worker)
        try:
            return await connection.get("localhost", path)
        finally:
            connection.close()

    def close(self) -> None:
        """End whatever of it still runs, stopped workers included."""
        # A crash was the last that happened to it, or it has ended by itself.
        with suppress(KeyError, ProcessLookupError):
            self.crash()


def _free_pair(ports: Ports) -> int:
    """A port that is free, as is the next one, where a second worker has its admin."""
    while True:
        first = ports.free()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", first + 1)):
                return first


def _children(pid: int) -> Iterator[int]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue  # ended meanwhile
        if int(parent) == pid and state != "Z":
            yield int(stat.parent.name)


def _established(port: int) -> set[str]:
    """The inodes of the connections that a port of this machine has."""
    tables = [Path(f"/proc/net/{name}") for name in ("tcp", "tcp6")]
    rows = [line.split() for table in tables for line in table.read_text().splitlines()[1:]]
    return {row[9] for row in rows if row[3] == "01" and int(row[1].rpartition(":")[2], 16) == port}


def _inode(link: Path) -> str:
    try:
        return os.readlink(link).removeprefix("socket:[").removesuffix("]")
    except OSError:
        return ""
