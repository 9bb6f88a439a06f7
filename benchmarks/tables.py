"""How figures are shown: a row for each server and each ratio, in a section for each case."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.figures import Figure, Run, middle, ratio
from benchmarks.machine import machine
from benchmarks.servers import Case
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Ratio:
    """A row: the better value of these peers divided by ours. `beside` is what is said of a case there."""

    title: str
    peers: Sequence[str]
    beside: Mapping[Case, str]


def show(
    runs: Sequence[Run],
    cases: Sequence[Case],
    servers: Sequence[str],
    figures: Sequence[Figure],
    ratios: Sequence[Ratio],
) -> None:
    """Print the table, without the figures that nobody measured, and the machine that they are of."""
    shown = [figure for figure in figures if any(figure.of(run.measured) is not None for run in runs)]
    table = Table("services x endpoints x clients", "server")
    for figure in shown:
        table.add_column(figure.title, justify="right")
    for case in cases:
        for server in servers:
            values = [middle(runs, case, server, figure) for figure in shown]
            table.add_row(str(case) if server == servers[0] else "", server, *map(_number, values))
        for each in ratios:
            found = [ratio(runs, case, figure, each.peers) for figure in shown]
            table.add_row(each.beside.get(case, ""), each.title, *map(_number, found), style="bold")
        table.add_section()
    console = Console(width=None if sys.stdout.isatty() else 300)
    console.print(table)
    console.print(", ".join(f"{name} {value}" for name, value in machine().items()), highlight=False)
    console.print("Medians of", max(run.number for run in runs) + 1 if runs else 0, "turns.")


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
