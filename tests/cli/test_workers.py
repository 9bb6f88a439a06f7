"""Several processes behind one port."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(sys.executable).with_name("pilothouse")
WORKERS = 2


class Serving:
    """A control plane of two workers over an empty folder, and what they log."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def opened(self) -> str:
        """Wait until one more worker serves; gives the address that it serves sidecars on."""
        for line in self.process.stderr or ():
            event: dict[str, Any] = json.loads(line) if line.startswith("{") else {}
            if event.get("event") == "serving":
                return str(event["xds"])
        raise AssertionError("it ended")

    def workers(self) -> set[int]:
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return {int(pid) for pid in listed.split()}


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    flags = [
        "--xds",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--log-format",
        "json",
        "--workers",
        str(WORKERS),
    ]
    command = [PROGRAM, "serve", "--manifests", str(tmp_path), *flags]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        yield Serving(process)
        process.kill()


def test_workers_share_one_port_and_end_together(serving) -> None:
    addresses = {serving.opened() for _ in range(WORKERS)}
    assert len(addresses) == 1
    assert len(serving.workers()) == WORKERS
    serving.process.send_signal(signal.SIGTERM)
    assert serving.process.wait(timeout=20) == 0


def test_a_worker_that_dies_is_started_again_on_the_same_port(serving) -> None:
    address, _ = serving.opened(), serving.opened()
    victim = min(serving.workers())
    os.kill(victim, signal.SIGKILL)
    assert serving.opened() == address
    assert victim not in serving.workers()


def test_workers_end_with_their_parent_however_it_ends(serving) -> None:
    for _ in range(WORKERS):
        serving.opened()
    orphans = serving.workers()
    serving.process.kill()
    deadline = time.monotonic() + 20
    while any(_runs(pid) for pid in orphans):
        assert time.monotonic() < deadline, f"{orphans} go on"
        time.sleep(0.05)


def test_a_port_that_somebody_has_is_not_shared_with_him(process, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        outcome = process("serve", "--manifests", tmp_path, "--xds", address, "--workers", "2")
    assert outcome.status == 2
    assert outcome.err.startswith("pilothouse: serve: cannot listen for xDS on " + address)


def test_what_no_worker_can_start_with_ends_all_of_them(process, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        admin = f"127.0.0.1:{taken.getsockname()[1]}"
        flags = ["--xds", "127.0.0.1:0", "--admin", admin, "--workers", "2"]
        outcome = process("serve", "--manifests", tmp_path, *flags)
    assert outcome.status == 2
    assert admin in outcome.err
    assert "Traceback" not in outcome.err


def test_the_number_of_workers_is_checked(process, tmp_path: Path) -> None:
    outcome = process("serve", "--manifests", tmp_path, "--workers", "0")
    assert outcome.status == 2
    assert "--workers" in outcome.err


def _runs(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie that nobody has waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
