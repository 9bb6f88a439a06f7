"""Serve mutated documents to live Envoys, while clients say anything: `make fuzz SECONDS=60`.

At the end, questions of DNS are answered, with some of their bytes changed. Exit status 1 if an Envoy refused
what it was sent or fell out of sync, if the control plane failed, or if a question had a wrong answer. The
input that did it is kept, with the smallest one that does the same. ARGS="--seed N --batch M" repeats it.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
from rich.console import Console

from pilothouse.config.settings import ConfigError
from pilothouse.demo.processes import Unavailable

from ..chaos.injection import Outcome
from ..chaos.interruptible import run
from ..chaos.stage import staged
from . import packets
from .batch import batch
from .findings import Findings
from .trial import TRIAL, Trial, furnish

_QUESTIONS = 20_000  # of DNS
_ROOT = Path(__file__).resolve().parent.parent.parent


def main() -> None:
    said = _arguments()
    console = Console(stderr=True, highlight=False)
    console.print(f"seed {said.seed}")
    try:
        findings = run(_fuzz(said, console))
    except (ConfigError, Unavailable, httpx.HTTPError) as failure:
        sys.exit(f"fuzz: {failure} (seed {said.seed})")
    except KeyboardInterrupt:
        sys.exit("fuzz: interrupted")
    sys.exit(1 if findings else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='make fuzz SECONDS=60 ARGS="..."', description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="[default: %(default)s]")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="[default: a new one]")
    parser.add_argument("--batch", type=int, default=0, metavar="N", help="begin with this one of the seed")
    parser.add_argument(
        "--keep", type=Path, default=_ROOT / "build" / "fuzz", metavar="FOLDER", help="[default: %(default)s]"
    )
    return parser.parse_args()


async def _fuzz(said: argparse.Namespace, console: Console) -> int:
    """How many findings there are."""
    findings = Findings(said.keep, said.seed, console)
    async with staged(TRIAL, Outcome("fuzz", "")) as stage, AsyncExitStack() as cleanup:
        trial = Trial(stage)
        await furnish(stage, cleanup)
        clients = stage.program("tests.fuzz.requests", stage.plane.xds, said.seed, stage.folder)
        batches = await _serve(said, console, trial, findings)
        findings.newcomer(await trial.newcomer())
        findings.conversations(stage.folder)
        await asyncio.to_thread(findings.questions, packets.findings(said.seed, _QUESTIONS, packets.known()))
        if clients.over:
            raise Unavailable(f"the clients that say anything have ended: {clients.end()}")
        console.print(f"seed {said.seed}: {batches} batches, {clients.end()}, {findings.count} findings")
    for held, times in trial.held.items():
        console.print(f"{times} times: {held}", markup=False, soft_wrap=True)
    return findings.count


async def _serve(said: argparse.Namespace, console: Console, trial: Trial, findings: Findings) -> int:
    """Batch after batch until the time is over; returns how many."""
    end, number = time.monotonic() + said.seconds, said.batch
    with console.status("serving") as status:
        while time.monotonic() < end:
            drawn = batch(said.seed, number)
            complaint = await trial.wrong(drawn)
            if complaint:
                await findings.add(number, drawn, complaint, trial)
            number += 1
            status.update(f"{number - said.batch} batches, {findings.count} findings")
    return number - said.batch


if __name__ == "__main__":
    main()
