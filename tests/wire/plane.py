"""What is tested: the process that `pilothouse serve --manifests DIR` starts."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ..ports import free_port

PROGRAM = Path(sys.executable).with_name("pilothouse")


class ControlPlane:
    """`pilothouse serve` over a folder, on the same port each time it is started."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self._flags = flags
        self.manifests = folder / "manifests"
        self.manifests.mkdir()
        self.port = free_port()
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> list[dict[str, Any]]:
        """What it has logged since it was launched. Fails if it wrote anything else, such as a traceback."""
        lines = self._log.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    @property
    def troubles(self) -> list[dict[str, Any]]:
        """What it has logged as an error."""
        return [event for event in self.log if event["level"] in ("error", "critical")]

    @property
    def serving(self) -> bool:
        """Whether it serves. Fails if it has ended instead."""
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()
        return any(event["event"] == "serving" for event in self.log)

    def launch(self) -> None:
        """Start the process; `serving` tells when it is there."""
        ports = ["--xds", self.address, "--admin", "127.0.0.1:0", "--allow-loopback-endpoints"]
        with self._log.open("w") as log:
            always: list[str | Path] = [
                "--manifests",
                self.manifests,
                "--allow-empty",
                "--log-format",
                "json",
            ]
            flags = [*always, *ports, *self._flags]
            self._process = subprocess.Popen([PROGRAM, "serve", *flags], stdout=log, stderr=log)

    def start(self) -> None:
        """Start the process and wait until it serves."""
        self.launch()
        deadline = time.monotonic() + 30
        while not self.serving:
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.01)

    def kill(self) -> None:
        """End it as a crash would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it as an operator would."""
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()
        self._process.terminate()
        assert self._process.wait(timeout=20) == 0, self._log.read_text()
