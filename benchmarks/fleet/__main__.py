"""Start many real Envoys, change what they call, restart their control plane: `make fleet`.

Exit status 1 if a request failed, something was sent again after a restart, or an Envoy rejected something.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.fleet.envoys import Envoys
from benchmarks.fleet.story import Outcome, Story
from benchmarks.fleet.world import PODS, World
from benchmarks.servers import allow_many_connections
from rich.console import Console
from rich.table import Table

from pilothouse.config.settings import ConfigError
from pilothouse.demo.backends import serving
from pilothouse.demo.control_plane import ControlPlane
from pilothouse.demo.ports import Ports
from pilothouse.demo.processes import Processes, Unavailable, find_envoy


def main() -> None:
    said = _arguments()
    allow_many_connections()
    try:
        outcome = asyncio.run(_run(said))
    except (ConfigError, Unavailable, OSError) as failure:
        sys.exit(f"fleet: {failure}")
    except KeyboardInterrupt:
        sys.exit("fleet: interrupted")
    if said.output == "json":
        json.dump(_plain(outcome), sys.stdout, indent=1)
    else:
        _print(outcome)
    for complaint in outcome.complaints:
        print(f"fleet: {complaint}", file=sys.stderr)
    sys.exit(1 if outcome.complaints else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make fleet N=", description=__doc__)
    parser.add_argument("envoys", type=_count, help="how many; each takes about 16 MB")
    parser.add_argument("--services", type=_count, default=20, help="[default: %(default)s]")
    parser.add_argument(
        "--rounds", type=_count, default=8, help="changes of endpoints [default: %(default)s]"
    )
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    return parser.parse_args()


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return int(text)


async def _run(said: argparse.Namespace) -> Outcome:
    console = Console(stderr=True)
    binary, ports = find_envoy(os.environ), Ports()
    backend = ports.free([pod.address for pod in PODS])
    with TemporaryDirectory(prefix="fleet-") as name, Processes(Path(name)) as processes:
        manifests = Path(name) / "manifests"
        manifests.mkdir()
        plane = ControlPlane(processes, manifests, ports.free(), ports.free())
        world = World(manifests, said.services, backend)
        envoys = Envoys(binary, processes, plane.xds, ports)
        async with serving(PODS, backend):
            await plane.start()
            story = Story(
                said.envoys, plane, envoys, world, lambda text: console.print(text, highlight=False)
            )
            return await story.play(said.rounds, processes)


def _print(outcome: Outcome) -> None:
    table = Table(f"{outcome.envoys:,} Envoys", "first ms", "half ms", "last ms", "responses")
    for column in table.columns[1:]:
        column.justify = "right"
    for step in outcome.steps:
        times = [f"{1000 * seconds:,.0f}" for seconds in (step.first_s, step.half_s, step.last_s)]
        table.add_row(step.what, *times, f"{step.responses:,}")
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    requests = outcome.requests
    console.print(
        f"{requests.sent:,} requests, {requests.failed.total():,} failed; "
        f"{outcome.sent_again:,} responses sent again after restarts; {outcome.rejected:,} rejected; "
        f"memory: control plane {outcome.control_plane_mb:,.0f} MB, an Envoy {outcome.envoy_mb:.1f} MB",
        highlight=False,
    )


def _plain(outcome: Outcome) -> dict[str, object]:
    return {
        **asdict(outcome),
        "requests": {"sent": outcome.requests.sent, "failed": dict(outcome.requests.failed)},
        "complaints": outcome.complaints,
    }


if __name__ == "__main__":
    main()
