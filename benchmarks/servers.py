"""The programs of the benchmark: built, started, and ended, by their process and no other."""

from __future__ import annotations

import json
import os
import resource
import select
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

ROOT = Path(__file__).resolve().parent.parent
BUILT = ROOT / "build" / "benchmarks"
_START_S, _STOP_S = 60.0, 10.0

PRODUCT = "pilothouse"
MANIFESTS = "pilothouse, manifests"
WORKERS = "pilothouse, 2 workers"
FLOOR = "floor"
PEERS = ("go-control-plane snapshot", "go-control-plane linear")
ALL = (PRODUCT, *PEERS, MANIFESTS, WORKERS, FLOOR)
LOAD, PEER, _FLOOR = BUILT / "load", BUILT / "go-control-plane", BUILT / "floor"
_SOURCES = {LOAD: "load", PEER: "peers/go-control-plane", _FLOOR: "floor"}


class Failed(Exception):
    """A program of the benchmark did not do what it should; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Case:
    """How large it is. `variant` is that of the protocol: sotw or delta."""

    services: int
    endpoints: int
    clients: int
    variant: str

    @classmethod
    def parsed(cls, size: str, variant: str) -> Self:
        """From words like `1000x10x100`. Raises ValueError."""
        numbers = [int(part) if part.isdigit() else 0 for part in size.strip().split("x")]
        if len(numbers) != 3 or min(numbers) < 1:
            raise ValueError(f"--cases: {size!r} is not like 1000x10x100")
        if variant not in ("sotw", "delta"):
            raise ValueError(f"--variants: {variant!r} is neither sotw nor delta")
        return cls(numbers[0], numbers[1], numbers[2], variant)

    def __str__(self) -> str:
        return f"{self.services:,} x {self.endpoints:,} x {self.clients:,} {self.variant}"


@dataclass(frozen=True, slots=True)
class Running:
    """A server that serves: where, and what its control port says of it."""

    xds: str
    control: str
    state: dict[str, Any]


def build() -> None:
    """Compile what is in Go; that is quick if it was done before. Raises Failed."""
    for binary, folder in _SOURCES.items():
        command = ["go", "build", "-o", str(binary), "."]
        try:
            subprocess.run(command, cwd=ROOT / "benchmarks" / folder, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Failed(f"{' '.join(command)} in benchmarks/{folder}: {error}") from None


@contextmanager
def running(server: str, case: Case) -> Iterator[Running]:
    """Start a server for one measurement, and end it. Raises Failed."""
    with TemporaryDirectory(prefix="bench-") as folder, (Path(folder) / "log").open("w+") as log:
        manifests = Path(folder) / "manifests"
        manifests.mkdir()
        command = _command(server, case, manifests)
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log)
        try:
            yield _started(process, server, Path(log.name))
        finally:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def measure(at: Running, options: Sequence[str], timeout_s: float) -> dict[str, Any]:
    """What the load client says of a server. Raises Failed."""
    command = [str(LOAD), "-address", at.xds, "-control", at.control, *options]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"not measured in {timeout_s:.0f} s") from None
    if done.returncode:
        raise Failed(done.stderr.strip().splitlines()[-1])
    result: dict[str, Any] = json.loads(done.stdout)
    return {"state": at.state, **result}


def allow_many_connections() -> None:
    """Each fake Envoy has one, which both ends count as an open file."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _command(server: str, case: Case, manifests: Path) -> list[str]:
    size = [f"--services={case.services}", f"--endpoints={case.endpoints}"]
    how = {PRODUCT: [], MANIFESTS: ["--manifests"], WORKERS: ["--workers=2"]}
    if server in how:
        return [sys.executable, "-m", "benchmarks.product", f"--folder={manifests}", *how[server], *size]
    if server == FLOOR:
        return [str(_FLOOR), f"--variant={case.variant}", *size]
    return [str(PEER), f"--cache={server.split()[-1]}", *size]


def _started(process: subprocess.Popen[bytes], server: str, log: Path) -> Running:
    """Once it has printed its two addresses."""
    assert process.stdout is not None
    deadline, line = time.monotonic() + _START_S, b""
    while not line.endswith(b"\n") and process.poll() is None and time.monotonic() < deadline:
        if select.select([process.stdout], [], [], 1.0)[0]:
            line += os.read(process.stdout.fileno(), 4096)
    if not line.endswith(b"\n"):
        raise Failed(f"{server} did not start: {log.read_text()[-2000:]}")
    xds, control = line.decode().split()
    with urllib.request.urlopen(f"http://{control}/state", timeout=_START_S) as answer:
        return Running(xds, control, json.load(answer))
