"""Inject one fault after the other into a real control plane with live Envoys: `make chaos`.

Exit status 1 if a row of the table is not as it should be.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict

import httpx
from rich.console import Console

from pilothouse.config.settings import ConfigError
from pilothouse.demo.processes import Unavailable

from . import certificates, clients, files, restarts, rules, signals, workers
from .injection import Injection, Outcome, injections
from .interruptible import run
from .stage import staged
from .table import table

_ROW_S = 240.0
#: What the parts of a mesh raise that do not do what they should, or have ended.
_FAILURES = (Unavailable, OSError, EOFError, LookupError, ValueError, AssertionError, httpx.HTTPError)
_ALL = injections(restarts, files, workers, rules, clients, signals, certificates)


def main() -> None:
    said = _arguments()
    if said.list:
        for injection in said.only:
            print(f"{injection.name:32} {injection.what}")
        return
    try:
        outcomes = run(_play(said.only, said.jobs))
    except ConfigError as failure:
        sys.exit(f"chaos: {failure}")
    except KeyboardInterrupt:
        sys.exit("chaos: interrupted")
    if said.output == "json":
        json.dump([{"ok": one.ok, **asdict(one)} for one in outcomes], sys.stdout, indent=1)
    else:
        Console(width=None if sys.stdout.isatty() else 160).print(table(outcomes))
    # Once more at the end, where whoever reads only the last lines of a log sees it.
    failed = [f"{one.name}: {'; '.join(one.complaints)}" for one in outcomes if not one.ok]
    sys.exit("\n".join(["chaos: not as it should be:", *failed]) if failed else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='make chaos ARGS="..."', description=__doc__)
    parser.add_argument(
        "--only", metavar="NAME", action="append", help="rows whose name contains this; repeatable"
    )
    parser.add_argument("--list", action="store_true", help="the names of the rows")
    parser.add_argument("--jobs", type=int, default=2, help="how many rows at a time [default: %(default)s]")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    said = parser.parse_args()
    said.only = [one for one in _ALL if any(name in one.name for name in said.only or [""])]
    if not said.only:
        parser.error("no row has such a name; see --list")
    return said


async def _play(injections: Sequence[Injection], jobs: int) -> list[Outcome]:
    """Several at a time, then those that have to be alone; in the order in which they were given.

    One that took too long, or too much, is played once more when everything else is over.
    """
    report, room = Report(len(injections)), asyncio.Semaphore(jobs)

    async def one(injection: Injection) -> Outcome:
        async with room:
            report.begun(injection)
            outcome = await play(injection)
            report.ended(injection, outcome)
            return outcome

    together = [injection for injection in injections if not injection.alone]
    outcomes = dict(zip(together, await asyncio.gather(*map(one, together)), strict=True))
    for injection in injections:
        if injection.alone:
            outcomes[injection] = await one(injection)
    for injection, first in outcomes.items():
        if first.inconclusive:
            outcomes[injection] = await one(injection)
            outcomes[injection].first_try = tuple(first.complaints)
    return [outcomes[injection] for injection in injections]


class Report:
    """Says on the terminal how far it is."""

    def __init__(self, count: int) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._count, self._done = count, 0

    def begun(self, injection: Injection) -> None:
        if self._console.is_terminal:
            self._console.print(f"[dim]{injection.name} ...[/dim]")

    def ended(self, injection: Injection, outcome: Outcome) -> None:
        self._done = min(self._done + 1, self._count)
        verdict = "ok" if outcome.ok else "; ".join(outcome.complaints)
        line = f"{self._done}/{self._count} {injection.name}, {outcome.took_s:.0f} s: {verdict}"
        self._console.print(line, markup=False, soft_wrap=True)


async def play(injection: Injection) -> Outcome:
    """Inject one fault into a mesh of its own, and see what becomes of it."""
    outcome, begun = Outcome(injection.name, injection.what), time.monotonic()
    try:
        async with asyncio.timeout(_ROW_S), staged(injection, outcome) as stage:
            await stage.call()
            await injection.run(stage)
            await stage.count()
        outcome.judge(injection.absent, injection.again)
    except _FAILURES as failure:
        outcome.complaints.append(f"{type(failure).__name__}: {failure}"[:500])
    outcome.took_s = time.monotonic() - begun
    return outcome


if __name__ == "__main__":
    main()
