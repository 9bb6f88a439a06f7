"""The control plane as its user runs it beside a cluster: `pilothouse serve`, on the same ports each time."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx

from ..ports import free_port
from .process import Process, wait_until

_PROGRAM = Path(sys.executable).with_name("pilothouse")


class Plane:
    """`source` are the flags that say where services come from. It listens for sidecars on every address."""

    def __init__(self, folder: Path, source: Sequence[str], within_s: float = 60.0) -> None:
        self.xds, self.admin, self._within_s = free_port(), free_port(), within_s
        listen = ["--xds", f"0.0.0.0:{self.xds}", "--admin", f"127.0.0.1:{self.admin}"]
        flags = [*source, *listen, "--state", str(folder / "state"), "--log-format", "json"]
        self.process = Process("pilothouse", [_PROGRAM, "serve", *flags], folder)

    def start(self) -> None:
        """Start it, and wait until it serves."""
        self.process.start()
        wait_until(self._serving, "pilothouse serves", self._within_s)

    def reread(self) -> None:
        """Have it read everything again."""
        os.kill(self.process.pid, signal.SIGHUP)

    def readiness(self) -> tuple[int, dict[str, object]]:
        """The status of /readyz, and what it says."""
        answer = httpx.get(f"http://127.0.0.1:{self.admin}/readyz", trust_env=False, timeout=10)
        return answer.status_code, answer.json()

    def _serving(self) -> bool:
        self.process.require()
        try:
            # It says that it is ready as soon as it has read everything, and opens its port a moment later.
            with socket.create_connection(("127.0.0.1", self.xds), timeout=10):
                return self.readiness()[0] == httpx.codes.OK
        except (OSError, httpx.TransportError):
            return False
