"""Processes that tests start, end and freeze."""

from __future__ import annotations

from pathlib import Path

import pytest

from .process import Process, wait_until


def _state(pid: int) -> str:
    """S for sleeping, T for stopped, see proc_pid_stat(5)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]


def test_one_that_ends_by_itself_says_why(tmp_path) -> None:
    process = Process("short", ["sh", "-c", "echo no disk; exit 3"], tmp_path)
    process.start()
    assert process.wait() == 3
    process.start()
    wait_until(lambda: process.last_words().count("no disk") == 2, "its words of both times")
    with pytest.raises(AssertionError, match=r"short has ended with 3:\nno disk"):
        wait_until(process.require, "never")


async def test_one_that_is_frozen_can_go_on_and_can_be_stopped(tmp_path, eventually) -> None:
    process = Process("long", ["sleep", "60"], tmp_path)
    process.start()
    pid = process.pid
    process.freeze()
    await eventually(lambda: _state(pid) == "T")
    process.thaw()
    await eventually(lambda: _state(pid) == "S")
    process.freeze()
    process.stop()
    with pytest.raises(FileNotFoundError):
        _state(pid)
    process.stop()
