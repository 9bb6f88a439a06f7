"""The command that shows everything: a mesh of real Envoys on this machine, under traffic and changes."""

from __future__ import annotations

import json
import signal
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from pilothouse.cli.output import Form, Output, answer, complain

if TYPE_CHECKING:
    from pilothouse.demo.verdict import Verdict

Seconds = Annotated[float, typer.Option(metavar="N", min=20, max=3600, help="About how long it takes.")]
Plain = Annotated[bool, typer.Option("--plain", help="Lines, not a live table.")]


def demo(*, seconds: Seconds = 65, plain: Plain = False, output: Form = Output.TEXT) -> None:
    """Watch real Envoys balance real requests while the registry changes; exit 1 if anything went wrong."""
    try:
        met = _shown(seconds, plain, output is Output.JSON)
    except KeyboardInterrupt:  # before the processes run, which end in order
        raise typer.Exit(128 + signal.SIGINT) from None
    raise typer.Exit(0 if met else 1)


def _shown(seconds: float, plain: bool, programs: bool) -> bool:
    """Run the demo and print the result. Returns whether everything went well."""
    # Not at the top: importing Envoy's messages takes half a second, which other commands need not spend.
    from rich.console import Console

    from pilothouse.demo.processes import Unavailable
    from pilothouse.demo.run import Interrupted, run
    from pilothouse.demo.screen import PLAIN_WIDTH
    from pilothouse.demo.tables import summary

    console = Console(stderr=programs)
    terminal = console.is_terminal and not console.is_dumb_terminal
    if not console.is_terminal:
        console = Console(stderr=programs, width=PLAIN_WIDTH)
    try:
        verdicts = run(seconds, console, table=terminal and not (plain or programs))
    except Unavailable as error:
        complain(f"demo: {error}")
        return False
    except Interrupted as interrupted:
        raise typer.Exit(128 + interrupted.number) from None
    if programs:
        answer(_as_json(verdicts))
    else:
        console.print(summary(verdicts, console.width))
    return all(verdict.met for verdict in verdicts)


def _as_json(verdicts: list[Verdict]) -> str:
    steps = [asdict(one) | {"met": one.met} for one in verdicts]
    return json.dumps({"met": all(one.met for one in verdicts), "steps": steps}, indent=2)
