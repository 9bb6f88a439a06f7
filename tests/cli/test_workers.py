"""Several processes behind one port."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(sys.executable).with_name("pilothouse")
WORKERS = 2


class Serving:
    """A control plane of two workers over an empty folder, and what they log."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []

    def opened(self) -> str:
        """Wait until one more worker serves; gives the address that it serves sidecars on."""
        for line in self.process.stderr or ():
            self.lines.append(line)
            event: dict[str, Any] = json.loads(line) if line.startswith("{") else {}
            if event.get("event") == "serving":
                return str(event["xds"])
        raise AssertionError("it ended")

    def workers(self) -> set[int]:
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return {int(pid) for pid in listed.split()}


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    # Without --allow-empty each worker would wait half a minute for a manifest.
    always = ["--manifests", str(tmp_path), "--allow-empty", "--log-format", "json"]
    ports = ["--xds", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    command = [str(PROGRAM), "serve", *always, *ports, "--workers", str(WORKERS)]
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
        return _state(pid) != "Z"
    except FileNotFoundError:
        return False


def _state(pid: int) -> str:
    """S if it sleeps, R if it runs, Z if it has ended (proc(5))."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_worker_that_is_stopped_is_killed_and_started_again(serving) -> None:
    address, _ = serving.opened(), serving.opened()
    victim = min(serving.workers())
    while _state(victim) != "S":  # it logs that it serves, then tells its parent, and then waits for clients
        time.sleep(0.01)
    os.kill(victim, signal.SIGSTOP)
    assert serving.opened() == address
    assert victim not in serving.workers()
    events = [json.loads(line) for line in serving.lines]
    (killed,) = [event for event in events if event["event"] == "worker is killed"]
    assert killed["reason"].startswith("has not answered for ")
    assert killed["level"] == "error"


def test_every_line_is_an_event_and_says_of_which_worker_it_is_and_once_how_to_reach_them(serving) -> None:
    for _ in range(WORKERS):
        serving.opened()
    serving.process.terminate()
    events = [json.loads(line) for line in (*serving.lines, *serving.process.stderr)]
    assert {event["worker"] for event in events if event["event"] == "serving"} == {0, 1}
    assert all("worker" in event for event in events if not event["logger"].startswith("pilothouse.cli"))
    (ready,) = [event for event in events if event["event"] == "ready for sidecars"]
    address = next(event["xds"] for event in events if event["event"] == "serving")
    assert f"--control-plane {address} " in ready["bootstrap"]
    assert "status" not in ready, "of which each worker has its own on the port 0"


def test_a_worker_that_is_stopped_does_not_hold_up_the_end(serving) -> None:
    for _ in range(WORKERS):
        serving.opened()
    os.kill(min(serving.workers()), signal.SIGSTOP)
    serving.process.send_signal(signal.SIGTERM)
    assert serving.process.wait(timeout=20) == 0


# Workers that do nothing but beat, in a process whose rounds are short. The first argument is what each does.
CREW = """
import asyncio, os, sys, time
from pilothouse.cli import logs, workers
logs.configure("json")
workers._ROUND_S, workers._BEAT_S = 0.05, 0.01
workers._RESTART_S = (0.2, 0.8)
{rounds}

def work(index, heart):
    print("started", index, time.monotonic(), flush=True)
    async def serve():
        {serve}
    asyncio.run(heart.beating(serve()))
    return {status}

sys.exit(workers.run({count}, work))
"""


@pytest.fixture
def crew() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """`crew("await asyncio.Event().wait()")`: what each worker does in its event loop."""
    started: list[subprocess.Popen[str]] = []

    def start(serve: str, status: int = 0, count: int = 1, rounds: str = "") -> subprocess.Popen[str]:
        program = CREW.format(serve=serve, status=status, count=count, rounds=rounds)
        command = [sys.executable, "-u", "-c", program]
        process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def starts(process: subprocess.Popen[str], count: int) -> list[float]:
    """When the next workers start."""
    return [float(process.stdout.readline().split()[2]) for _ in range(count)]


def test_a_worker_whose_event_loop_is_stuck_is_killed_and_started_again(crew) -> None:
    process = crew("heart.serves(); time.sleep(3600)")
    starts(process, 2)
    process.terminate()
    assert process.wait(timeout=20) == 0
    killed, ended = json.loads(process.stderr.readline()), json.loads(process.stderr.readline())
    assert (killed["event"], killed["worker"]) == ("worker is killed", 0)
    assert killed["reason"] == "has not answered for 10 s"
    assert (ended["event"], ended["worker"]) == ("worker has ended and is started again", 0)
    assert (ended["status"], ended["in_s"]) == (-9, 0.2)


def test_a_worker_that_loads_may_take_its_time(crew) -> None:
    # Twenty rounds, of which one that serves may not miss as many.
    process = crew("await asyncio.sleep(0); time.sleep(1); heart.serves(); print('serves'); time.sleep(3600)")
    starts(process, 1)
    assert process.stdout.readline() == "serves\n"
    starts(process, 1)


def test_a_worker_that_never_beats_is_left_alone(crew) -> None:
    process = crew("time.sleep(1); print('done')", rounds="workers._PATIENCE = {b'l': 0, b's': 0}")
    starts(process, 1)
    assert process.stdout.readline() == "done\n"


def test_a_worker_that_keeps_crashing_is_started_again_ever_later(crew) -> None:
    began = starts(crew("pass", status=1), 5)
    pauses = [later - sooner for sooner, later in itertools.pairwise(began)]
    assert all(pause >= least for pause, least in zip(pauses, (0.2, 0.4, 0.8, 0.8), strict=True))


def test_a_worker_that_crashes_holds_up_no_other(crew) -> None:
    process = crew("await asyncio.sleep(0 if index else 3600)", status=1, count=2)
    assert [process.stdout.readline().split()[1] for _ in range(4)].count("1") == 3


def test_a_worker_that_has_served_is_started_again_whatever_it_ends_with(crew) -> None:
    process = crew("heart.serves()", status=2)
    assert len(starts(process, 2)) == 2
