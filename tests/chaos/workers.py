"""One of two workers that share the port is killed, or hangs."""

from __future__ import annotations

import os
import signal

from pilothouse.demo.waiting import until

from .injection import injection
from .restarts import SPOILT
from .stage import Stage

_REPLACED_S = 40.0
_TWO = ("--workers", "2")


async def _replaced(stage: Stage, number: signal.Signals) -> None:
    """Send a signal to the worker that has the most Envoys, and wait until another has its place."""
    plane = stage.plane
    await until(lambda: len(plane.workers) == 2, _REPLACED_S)
    victim = max(plane.workers, key=plane.clients)
    before = set(plane.workers)
    os.kill(victim, number)
    if not await until(lambda: len(plane.workers) == 2 and set(plane.workers) != before, _REPLACED_S):
        stage.complain(f"the worker was not replaced in {_REPLACED_S:.0f} s")
    await stage.plane.up()
    await stage.connected(within_s=_REPLACED_S)
    await stage.follows(within_s=_REPLACED_S)


@injection(*_TWO, sidecars=4)
async def killed_worker(stage: Stage) -> None:
    """--workers 2: SIGKILL for one of them, twice"""
    await _replaced(stage, signal.SIGKILL)
    await _replaced(stage, signal.SIGKILL)


@injection(*_TWO, "--no-state", again=True, sidecars=4)
async def killed_worker_beside_half_a_file(stage: Stage) -> None:
    """--workers 2 --no-state: SIGKILL for one of them beside a half-written file"""
    file = stage.file(SPOILT)
    text = file.read_text()
    file.write_text(text[: len(text) // 2])
    await stage.follows()
    await _replaced(stage, signal.SIGKILL)
    await stage.watch(6.0)


@injection(*_TWO, sidecars=4)
async def stopped_worker(stage: Stage) -> None:
    """--workers 2: SIGSTOP for one of them; then SIGTERM for all"""
    await _replaced(stage, signal.SIGSTOP)
    os.kill(stage.plane.workers[0], signal.SIGSTOP)
    if not await stage.plane.terminates(30.0):
        stage.complain("SIGTERM does not end the process within 30 s while a worker is stopped")
