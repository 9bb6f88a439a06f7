"""`pilothouse demo` as a user runs it, with real Envoys, and how it ends when it cannot or must not go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pilothouse.demo.story import STORY

# One demo at a time: its mesh takes ports that it finds free, and its story judges shares of traffic.
pytestmark = pytest.mark.xdist_group("demo")

Started = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def demo(tmp_path: Path) -> Started:
    """Starts `pilothouse demo ARGUMENTS`; its folder is below tmp_path."""

    def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        program = Path(sys.executable).with_name("pilothouse")
        return subprocess.Popen(
            [program, "demo", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"TMPDIR": str(tmp_path)} | environment,
            cwd=tmp_path,
        )

    return start


def left_behind(folder: Path) -> list[str]:
    """Files in the folder, and processes that have it in their command line."""
    found = [str(path) for path in folder.rglob("*")]
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # it has ended meanwhile
            continue
        if str(folder) in command:
            found.append(command)
    return found


@pytest.mark.envoy
@pytest.mark.timeout(240)
def test_the_whole_story_goes_well_with_real_envoys(demo: Started, tmp_path: Path) -> None:
    running = demo("--seconds", "20", "--plain")
    out, err = running.communicate(timeout=200)
    assert (running.returncode, err) == (0, ""), out
    for act in STORY:
        assert f"{act.step} {act.title} ({act.doing.value})\n" in out
    assert "MISSED" not in out
    assert "requests, 0 failed, " in out.splitlines()[-1]
    assert left_behind(tmp_path) == []


@pytest.mark.envoy
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_all_that_was_started(demo: Started, tmp_path: Path, number: signal.Signals) -> None:
    running = demo("--plain")
    assert running.stdout is not None
    for line in running.stdout:
        if STORY[0].title in line:
            break
    running.send_signal(number)
    _, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (128 + number, "")
    assert left_behind(tmp_path) == []


def test_an_envoy_that_does_not_run_is_one_line_and_its_log_is_kept(demo: Started, tmp_path: Path) -> None:
    running = demo("-o", "json", ENVOY_BIN="/bin/false")
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (1, "")
    assert err.splitlines()[-1].startswith("pilothouse: demo: checkout-0 ended with status 1: ")
    assert next(tmp_path.glob("pilothouse-demo-*/checkout-0.log")).exists()


@pytest.mark.parametrize(
    ("arguments", "environment", "line"),
    [
        ((), {"ENVOY_BIN": "/nowhere/envoy"}, "ENVOY_BIN: /nowhere/envoy is not a program"),
        (("--seconds", "3"), {}, "Invalid value for '--seconds'"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(demo: Started, tmp_path, arguments, environment, line) -> None:
    running = demo(*arguments, **environment)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (2, "")
    assert err.startswith(f"pilothouse: {line}")
    assert err.count("\n") == 1
    assert left_behind(tmp_path) == []


def test_the_summary_for_programs_has_every_step() -> None:
    from pilothouse.cli import demo
    from pilothouse.demo.verdict import Verdict

    met = Verdict(1, "a", "x", "1", "1", requests=9, per_s=1.5, refused=0, failed=0, propagation_ms=3.2)
    missed = Verdict(2, "b", "", "1", "2", 9, 1.5, 0, 1, None, why=("2",))
    said = json.loads(demo._as_json([met, missed]))
    assert said["met"] is False
    assert [step["met"] for step in said["steps"]] == [True, False]
    assert said["steps"][0]["propagation_ms"] == 3.2
