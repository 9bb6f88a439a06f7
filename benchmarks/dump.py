"""What readers of the admin port cost those who wait for changes: 10,000 services, changes at a steady rate.

    python -m benchmarks.dump [--case 10000x10x200] [--rate 20] [--readers 2] [--runs 3]

Each turn starts the control plane anew, once without readers and once with readers that fetch all pages of
/api/v1/services, endpoints, proxies and changes, and /metrics, again and again. Prints how long changes took
to the ACK of each client; the load client is that of `make bench`, so this needs Go.
"""

from __future__ import annotations

import argparse
import re
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from statistics import median
from typing import Any
from urllib.parse import quote

from benchmarks.machine import machine
from benchmarks.servers import PRODUCT, Case, Failed, allow_many_connections, build, measure, running
from rich.console import Console
from rich.table import Table

_LISTS = ("services", "endpoints", "proxies", "changes")
_NEXT = re.compile(rb'"next": "([^"]+)"\s*}\s*$')
_FIGURES = ("median_ms", "p99_ms", "max_ms", "server_cpu_pct")


@dataclass(slots=True)
class Reading:
    """What one reader has read: pages, bytes, dumps of everything, and the longest wait for a page."""

    pages: int = 0
    bytes: int = 0
    dumps: int = 0
    longest_s: float = 0.0
    failed: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Turn:
    """One measurement of changes, and what was read meanwhile."""

    readers: int
    churn: dict[str, Any]
    readings: Sequence[Reading]


@contextmanager
def readers(admin: str, count: int, limit: int) -> Iterator[list[Reading]]:
    """Read everything, again and again, while the block runs."""
    readings, stop = [Reading() for _ in range(count)], threading.Event()
    threads = [threading.Thread(target=_read, args=(admin, limit, each, stop)) for each in readings]
    for thread in threads:
        thread.start()
    try:
        yield readings
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _read(admin: str, limit: int, reading: Reading, stop: threading.Event) -> None:
    connection = HTTPConnection(admin, timeout=30)
    while not stop.is_set():
        try:
            for name in _LISTS:
                for _ in _pages(connection, f"/api/v1/{name}?limit={limit}", reading):
                    if stop.is_set():
                        return
            _fetch(connection, "/metrics", reading)
            reading.dumps += 1
        except (OSError, HTTPException) as error:
            reading.failed.append(repr(error))
            connection.close()


def _pages(connection: HTTPConnection, path: str, reading: Reading) -> Iterator[bytes]:
    after = ""
    while True:
        body = _fetch(connection, path + after, reading)
        yield body
        found = _NEXT.search(body[-500:])
        if found is None:
            return
        after = f"&after={quote(found[1].decode())}"


def _fetch(connection: HTTPConnection, path: str, reading: Reading) -> bytes:
    begun = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise HTTPException(f"{path}: {answer.status} {body[:200]!r}")
    reading.pages += 1
    reading.bytes += len(body)
    reading.longest_s = max(reading.longest_s, time.perf_counter() - begun)
    return body


def turn(case: Case, said: argparse.Namespace, count: int) -> Turn:
    """Start the control plane, and measure it with so many readers. Raises Failed."""
    options = [f"-variant={case.variant}", f"-clients={case.clients}", "-rounds=0", "-warmup=0"]
    options += [f"-rate={said.rate}", f"-period={said.seconds}s"]
    with running(PRODUCT, case) as at, readers(at.state["admin"], count, said.limit) as readings:
        churn = measure(at, options, said.timeout)["churn"]
    failed = [each for reading in readings for each in reading.failed]
    if failed:
        raise Failed(f"{len(failed)} pages were not read, the first: {failed[0]}")
    return Turn(count, churn, readings)


def main() -> None:
    said = _arguments()
    progress = Console(stderr=True)
    turns: list[Turn] = []
    try:
        build()
        allow_many_connections()
        for _ in range(said.runs):
            for count in (0, said.readers):
                turns.append(turn(said.case, said, count))
                progress.print(f"{count} readers: {turns[-1].churn}", highlight=False)
    except Failed as failed:
        sys.exit(f"dump: {failed}")
    _show(said.case, turns)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--case", default="10000x10x200", help="services x endpoints x clients")
    parser.add_argument("--variant", default="delta", choices=("sotw", "delta"), help="of the protocol")
    parser.add_argument("--rate", type=float, default=20, help="changes in a second")
    parser.add_argument("--seconds", type=float, default=20, help="how long changes go on")
    parser.add_argument("--readers", type=int, default=2, help="that read at the same time")
    parser.add_argument("--limit", type=int, default=1000, help="items of a page")
    parser.add_argument("--runs", type=int, default=3, help="turns with readers, and as many without")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for a turn")
    said = parser.parse_args()
    try:
        said.case = Case.parsed(said.case, said.variant)
    except ValueError as wrong:
        parser.error(str(wrong))
    return said


def _show(case: Case, turns: Sequence[Turn]) -> None:
    """The medians over the turns."""
    table = Table(
        "readers", "median ms", "p99 ms", "max ms", "CPU %", "dumps", "pages", "MB", "longest page ms"
    )
    for count in dict.fromkeys(each.readers for each in turns):
        of = [each for each in turns if each.readers == count]
        figures = [median(each.churn[figure] for each in of) for figure in _FIGURES]
        read = [reading for each in of for reading in each.readings]
        sums = sum(each.dumps for each in read), sum(each.pages for each in read)
        size, longest = (
            sum(each.bytes for each in read) / 1e6,
            max((each.longest_s for each in read), default=0),
        )
        cells = [
            *(f"{figure:.1f}" for figure in figures),
            *map(str, sums),
            f"{size:.0f}",
            f"{longest * 1e3:.0f}",
        ]
        table.add_row(str(count), *cells)
    console = Console()
    console.print(str(case), machine(), highlight=False)
    console.print(table)


if __name__ == "__main__":
    main()
