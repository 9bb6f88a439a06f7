"""The control plane as its user runs it: a process, `pilothouse serve`, that can be killed and started."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

PROGRAM = Path(sys.executable).with_name("pilothouse")


class ControlPlane:
    """`pilothouse serve` with these flags, on the same xDS port each time it is started."""

    def __init__(self, port: int, log: Path, flags: list[str]) -> None:
        self.port = port
        self._log = log
        ports = ["--xds", f"127.0.0.1:{port}", "--admin", "127.0.0.1:0"]
        self._flags = [*flags, *ports, "--allow-loopback-endpoints", "--log-format", "json"]
        self._process: subprocess.Popen[bytes] | None = None
        self._admin = httpx.AsyncClient(trust_env=False, verify=False)  # to load the CAs takes 50 ms

    def launch(self) -> None:
        """Start the process; `serving` tells when it is there."""
        with self._log.open("w") as log:
            self._process = subprocess.Popen([PROGRAM, "serve", *self._flags], stderr=log)

    @property
    def serving(self) -> bool:
        """Whether it serves. Fails if it has ended instead."""
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()
        return any(event["event"] == "serving" for event in self.events)

    @property
    def events(self) -> list[dict[str, Any]]:
        """What it has logged since it was launched."""
        lines = self._log.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    @property
    def status(self) -> int | None:
        """The exit status, None while it runs."""
        return self._process.poll() if self._process else None

    def kill(self) -> None:
        """End it as a crash would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def terminate(self) -> None:
        """Ask it to end."""
        assert self._process is not None
        self._process.terminate()

    @property
    def admin(self) -> str | None:
        """Where its admin listens; None if that is not open yet."""
        return next((event["admin"] for event in self.events if event["event"] == "starting"), None)

    async def ready(self) -> dict[str, Any]:
        """What /readyz says."""
        answer = await self._admin.get(f"http://{self.admin}/readyz")
        return {"status": answer.status_code, **answer.json()}

    async def close(self) -> None:
        await self._admin.aclose()
        if self._process is not None and self._process.poll() is None:
            self.kill()
