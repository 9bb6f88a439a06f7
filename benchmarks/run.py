"""Measure Pilothouse and its peers side by side, and print the table: `make bench`.

For each case the servers take turns (A B C, A B C, ...), each started anew and measured by the same
client; a ratio compares servers of one turn, since only that is stable on a machine that is shared.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from benchmarks.figures import FIGURES, LAST, TARGETS, Run
from benchmarks.machine import machine
from benchmarks.servers import (
    ALL,
    PEERS,
    Case,
    Failed,
    allow_many_connections,
    build,
    measure,
    running,
)
from benchmarks.tables import Ratio, show
from rich.console import Console

_CASES = "100x10x100,1000x10x100,100x10x1000,1000x10x1000,10000x10x100,10x1000x100"
_QUICK = "100x10x20"
_RATIO = "better peer / pilothouse"


def main() -> None:
    said = _arguments()
    progress = Console(stderr=True)
    try:
        build()
    except Failed as failed:
        sys.exit(f"bench: {failed}")
    allow_many_connections()
    runs: list[Run] = []
    for case in said.cases:
        runs += _case(case, said, progress)
    if said.output == "json":
        json.dump({"machine": machine(), "runs": [asdict(run) for run in runs]}, sys.stdout, indent=1)
    else:
        _print(runs, said.cases, said.servers)
    sys.exit(0 if runs else 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=", description=__doc__)
    parser.add_argument("--cases", help=f"services x endpoints x clients [default: {_CASES}]")
    parser.add_argument("--variants", default="sotw,delta", help="of the protocol [default: %(default)s]")
    parser.add_argument("--servers", default="pilothouse,snapshot,linear,floor", help=f"of: {'; '.join(ALL)}")
    parser.add_argument("--runs", type=int, help="turns of each server [default: 3]")
    parser.add_argument("--rounds", type=int, default=10, help="changes in a turn [default: %(default)s]")
    parser.add_argument("--churn", type=float, default=0, metavar="RATE", help="then changes a second, 10 s")
    parser.add_argument("--stalled", type=int, default=0, metavar="N", help="more clients that do not read")
    parser.add_argument("--resume", action="store_true", help="at the end all connect again")
    parser.add_argument("--quick", action="store_true", help=f"one turn of {_QUICK}")
    parser.add_argument("--timeout", type=float, default=300, help="s for a turn [default: %(default)s]")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    said = parser.parse_args()
    sizes = said.cases or (_QUICK if said.quick else _CASES)
    said.runs = said.runs or (1 if said.quick else 3)
    try:
        said.cases = [
            Case.parsed(size, each) for size in sizes.split(",") for each in said.variants.split(",")
        ]
        said.servers = [_server(name.strip()) for name in said.servers.split(",")]
    except ValueError as wrong:
        parser.error(str(wrong))
    return said


def _server(name: str) -> str:
    """By its name or the last word of it."""
    for server in ALL:
        if name in (server, server.split()[-1]):
            return server
    raise ValueError(f"--servers: {name!r} is not one of {', '.join(ALL)}")


def _case(case: Case, said: argparse.Namespace, progress: Console) -> Iterator[Run]:
    options = [f"-variant={case.variant}", f"-clients={case.clients}", f"-rounds={said.rounds}"]
    options += [f"-rate={said.churn}", f"-stalled={said.stalled}", f"-resume={str(said.resume).lower()}"]
    for number in range(said.runs):
        for server in said.servers:
            try:
                with running(server, case) as at:
                    measured = measure(at, options, said.timeout)
            except Failed as failed:
                progress.print(f"{case}, {server}: {failed}", style="red")
                continue
            run = Run(case, number, server, measured)
            progress.print(f"{case}, {server}: last client {LAST.of(measured) or 0:.1f} ms", highlight=False)
            yield run


def _print(runs: Sequence[Run], cases: Sequence[Case], servers: Sequence[str]) -> None:
    beside = {case: f"target {target:g}" for case, target in TARGETS.items()}
    show(runs, cases, servers, FIGURES, [Ratio(_RATIO, PEERS, beside)])


if __name__ == "__main__":
    main()
