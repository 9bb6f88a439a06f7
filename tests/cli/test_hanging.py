"""The process beside a disk that does not answer, and what signals do to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

# The command, with a disk of manifests that are not listed as long as there is a file of a certain name.
PROGRAM = """
import os, sys, time
from pathlib import Path
hanging, listed = Path(sys.argv.pop(1)), os.scandir

def scandir(folder):
    while str(folder).endswith("manifests") and hanging.exists():
        time.sleep(0.01)
    return listed(folder)

os.scandir = scandir
from pilothouse.sources.files import lookout
lookout._PATIENCE_S = 1.0
from pilothouse.cli import main
main()
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: a, namespace: shop}
spec: {ports: [{name: http, port: 80}]}
"""


class ControlPlane:
    """The process, what it logs, and the disk that hangs or not."""

    def __init__(self, process: subprocess.Popen[str], hanging: Path, manifests: Path) -> None:
        self.process, self.hanging, self.manifests = process, hanging, manifests

    def event(self, wanted: str) -> dict[str, str]:
        """Wait for an event in the log."""
        for line in self.process.stderr or ():
            event: dict[str, str] = json.loads(line) if line.startswith("{") else {}
            if event.get("event") == wanted:
                return event
        raise AssertionError("it ended")

    def source(self, address: str) -> tuple[bool, int]:
        """Of the source, whether it is stale, and how many services it has."""
        host, _, port = address.rpartition(":")
        with closing(HTTPConnection(host, int(port), timeout=10)) as connection:
            connection.request("GET", "/readyz")
            (source,) = json.loads(connection.getresponse().read())["sources"]
        return source["stale"], source["services"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator:
    started: list[subprocess.Popen[str]] = []

    def start(*flags: str, hanging: bool, written_s: float | None = None) -> ControlPlane:
        manifests, marker = tmp_path / "manifests", tmp_path / "hanging"
        manifests.mkdir()
        (manifests / "a.yaml").write_text(SERVICE)
        if written_s is not None:
            os.utime(manifests / "a.yaml", (written_s, written_s))
        if hanging:
            marker.touch()
        places = ["--xds", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log-format", "json"]
        serve = ["serve", "--manifests", str(manifests), *places, *flags]
        command = [sys.executable, "-c", PROGRAM, str(marker), *serve]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return ControlPlane(process, marker, manifests)

    yield start
    for process in started:
        process.kill()
        process.wait()
        if process.stderr:
            process.stderr.close()


@pytest.mark.parametrize(
    ("number", "workers"), [(signal.SIGTERM, "1"), (signal.SIGINT, "1"), (signal.SIGTERM, "2")]
)
def test_a_disk_that_hangs_before_the_port_is_open_does_not_hold_up_the_end(start, number, workers) -> None:
    plane = start("--workers", workers, hanging=True)
    plane.event("source failed")
    plane.process.send_signal(number)
    assert plane.process.wait(timeout=15) == 0


async def test_a_disk_that_hangs_later_is_shown_and_takes_nothing_away_and_goes_on_when_it_answers(
    start, eventually
) -> None:
    plane = start(hanging=False)
    admin = plane.event("serving")["admin"]
    plane.hanging.touch()
    assert f"the manifests in {plane.manifests} have not been read" in plane.event("source failed")["error"]
    assert plane.source(admin) == (True, 1)
    odd = plane.manifests / os.fsdecode(b"\xff.yaml")
    odd.write_text(SERVICE.replace("name: a", "name: b"))
    plane.hanging.unlink()
    await eventually(lambda: plane.source(admin) == (False, 2))
    odd.write_text("not a manifest")
    assert plane.event("fault in a manifest")["file"] == f"{plane.manifests}/\\xff.yaml"
    plane.hanging.touch()
    plane.event("source failed")
    plane.process.send_signal(signal.SIGTERM)
    assert plane.process.wait(timeout=15) == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_sighup_reads_again_what_seems_unchanged_and_other_signals_do_nothing(start, workers) -> None:
    plane = start("--workers", str(workers), hanging=False, written_s=1)
    for _ in range(workers):
        plane.event("serving")
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        plane.process.send_signal(number)
        for _ in range(workers):
            assert plane.event("signal ignored")["signal"] == number.name
    # Same size, same time: to look at it, nothing happened.
    path = plane.manifests / "a.yaml"
    path.write_text(SERVICE.replace("80", "x0"))
    os.utime(path, (1, 1))
    plane.process.send_signal(signal.SIGHUP)
    for _ in range(workers):
        plane.event("reading everything again")
    assert plane.event("fault in a manifest")["file"] == str(path)
    assert plane.process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_that_has_not_begun_ends_well(number) -> None:
    """As between the first line of the command and the event loop, while gRPC is imported."""
    waits = "from pilothouse.cli.signals import *; until_the_loop_heeds_them(); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", waits], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        process.send_signal(number)
        assert process.wait(timeout=15) == 0
