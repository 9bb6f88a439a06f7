"""The control plane as a process: how it starts, how it ends, and what it says."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("pilothouse")


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A control plane over an empty folder, on free ports, with JSON logs on a pipe."""
    flags = [
        "--manifests",
        tmp_path,
        "--xds",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--log-format",
        "json",
    ]
    with subprocess.Popen([PROGRAM, "serve", *flags], stderr=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop_and_ends_well(serving, number) -> None:
    events = (json.loads(line) for line in serving.stderr)
    ready = next(event for event in events if event["event"] == "serving")
    assert not ready["xds"].endswith(":0")
    assert not ready["admin"].endswith(":0")
    serving.send_signal(number)
    assert {"info"} == {event["level"] for event in events}
    assert serving.wait(timeout=20) == 0


@pytest.mark.parametrize("flag", ["--xds", "--admin"])
def test_an_address_that_is_taken_is_one_line_and_exit_2(process, tmp_path: Path, flag: str) -> None:
    places = {"--xds": "127.0.0.1:0", "--admin": "127.0.0.1:0"}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        places[flag] = f"127.0.0.1:{taken.getsockname()[1]}"
        flags = [part for pair in places.items() for part in pair]
        outcome = process("serve", "--manifests", tmp_path, "--allow-empty", *flags)
    complaint = outcome.err.splitlines()[-1]
    assert outcome.status == 2
    assert complaint.startswith("pilothouse: serve: ")
    assert places[flag] in complaint
    assert "Traceback" not in outcome.err
