"""One run of the demo, from its first process to its last."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext
from pathlib import Path

from rich.console import Console

from pilothouse.demo import screen
from pilothouse.demo.board import Board
from pilothouse.demo.mesh import CALLERS, START, ZONES
from pilothouse.demo.play import Teller, play
from pilothouse.demo.processes import Processes, Unavailable, find_envoy
from pilothouse.demo.stage import running
from pilothouse.demo.verdict import Verdict

_CAST = f"Starting a control plane, {len(START.pods)} backends in {len(ZONES)} zones, {len(CALLERS)} Envoys"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):
    """A signal has ended the run."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def run(seconds: float, console: Console, table: bool) -> list[Verdict]:
    """Play the story in about `seconds` and return whether it went well. No process outlives the run.

    Raises Unavailable, ConfigError or Interrupted. If something goes wrong by itself, the folder with logs,
    manifests and bootstraps is kept, and the console says where it is.
    """
    envoy = find_envoy(os.environ)
    folder = Path(tempfile.mkdtemp(prefix="pilothouse-demo-"))
    wrong = False
    try:
        with _signals_restored(), Processes(folder) as processes:
            verdicts = asyncio.run(_play(seconds, console, table, envoy, processes))
        wrong = not all(verdict.met for verdict in verdicts)
        return verdicts
    except Unavailable:
        wrong = True
        raise
    finally:
        if wrong:
            console.print(f"Logs, manifests and bootstraps: {folder}", highlight=False, soft_wrap=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)


async def _play(
    seconds: float, console: Console, table: bool, envoy: Path, processes: Processes
) -> list[Verdict]:
    began_s = time.monotonic()
    if not table:
        screen.say(console, 0, _CAST)
    with _interruptible():
        async with AsyncExitStack() as stack:
            with console.status(_CAST) if table else nullcontext():
                stage = await stack.enter_async_context(running(envoy, processes))
            board = Board(stage.mesh, stage.sightings, began_s)
            teller = await stack.enter_async_context(_telling(console, table, board))
            await play(stage, board, teller, seconds, processes.require)
    return board.verdicts


@asynccontextmanager
async def _telling(console: Console, table: bool, board: Board) -> AsyncIterator[Teller]:
    if table:
        async with screen.live(console, board) as silent:
            yield silent
    else:
        yield screen.Lines(console, board)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Turn a signal into Interrupted. Later signals are ignored, because the processes are being ended."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None, "a coroutine runs in a task"
    numbers = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    received: list[int] = []

    def stop(number: int) -> None:
        received.append(number)
        task.cancel()

    for number in numbers:
        loop.add_signal_handler(number, stop, number)
    try:
        yield
    except asyncio.CancelledError:
        if received:
            raise Interrupted(received[0]) from None
        raise
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)


@contextmanager
def _signals_restored() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
