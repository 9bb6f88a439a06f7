"""Signals that are not meant to end anything."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence

from .injection import injection
from .stage import Stage

_HARMLESS = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


async def _unharmed(stage: Stage, processes: Callable[[], Sequence[int]]) -> None:
    before = await stage.connections()
    running = [*processes()]
    for number in _HARMLESS:
        for pid in running:
            stage.plane.require()
            os.kill(pid, number)
        await stage.watch(0.5)
        await stage.follows()
    if [*processes()] != running:
        stage.complain("not all processes are those that there were")
    if await stage.connections() != before:
        stage.complain("streams were dropped")


@injection()
async def harmless_signals(stage: Stage) -> None:
    """SIGHUP, SIGUSR1 and SIGUSR2"""
    await _unharmed(stage, lambda: [stage.plane.pid])


@injection("--workers", "2")
async def harmless_signals_for_workers(stage: Stage) -> None:
    """--workers 2: SIGHUP, SIGUSR1 and SIGUSR2 for all processes"""
    await _unharmed(stage, lambda: [stage.plane.pid, *stage.plane.workers])
