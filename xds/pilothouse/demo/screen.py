"""Where the demo is shown: a live table on a terminal, lines anywhere else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rich.console import Console
from rich.live import Live

from pilothouse.demo import tables
from pilothouse.demo.board import Board
from pilothouse.demo.story import Act
from pilothouse.demo.verdict import Verdict

_REFRESH_S = 0.25
PLAIN_WIDTH = 140
"""Columns where there is no terminal that would say how many it has."""


def say(console: Console, passed_s: float, text: str) -> None:
    """Print one line, with the time since the start."""
    console.print(f"{passed_s:6.1f} s  {text}", markup=False, highlight=False, soft_wrap=True)


class Lines:
    """Tells the story line by line, and after each act shows the endpoints that it concerned."""

    def __init__(self, console: Console, board: Board) -> None:
        self._console = console
        self._board = board

    def begins(self, act: Act) -> None:
        self._say(f"{act.step} {act.title} ({act.doing.value})")

    def ends(self, verdict: Verdict) -> None:
        took = "" if verdict.propagation_ms is None else f" after {verdict.propagation_ms:.0f} ms"
        told = f" by {verdict.caller}" if verdict.caller else ""
        self._say(f"  expected{told}: {verdict.expected}")
        self._say(f"  seen{told}{took}: {verdict.seen}")
        self._say(f"  {tables.losses(verdict)}")
        for reason in verdict.why:
            self._say(f"  MISSED {reason}")

    def _say(self, text: str) -> None:
        say(self._console, time.monotonic() - self._board.began_s, text)


class Silent:
    """Prints nothing, because the live table shows everything."""

    def begins(self, act: Act) -> None:
        pass

    def ends(self, verdict: Verdict) -> None:
        pass


@asynccontextmanager
async def live(console: Console, board: Board) -> AsyncIterator[Silent]:
    """Show the live table while the block runs, and remove it at the end."""
    with Live(console=console, auto_refresh=False, transient=True) as screen:
        drawing = asyncio.create_task(_draw(screen, board))
        try:
            yield Silent()
        finally:
            drawing.cancel()


async def _draw(screen: Live, board: Board) -> None:
    while True:
        size = screen.console.size
        screen.update(tables.live(board, time.monotonic(), size.width, size.height), refresh=True)
        await asyncio.sleep(_REFRESH_S)
