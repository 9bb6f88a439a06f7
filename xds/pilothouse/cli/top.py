"""The command that shows, again and again, how a control plane is: its state, its rate, who is behind."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from collections.abc import Iterator
from typing import Annotated

import typer

from pilothouse.admin.api.views import ChangeList, ChangeView, SourceList, StatusView
from pilothouse.cli.asking import Admin, Unanswered, every, one, path, place, read
from pilothouse.cli.changes import acknowledged
from pilothouse.cli.output import answer, one_line
from pilothouse.cli.sources import state
from pilothouse.cli.status import unnamed
from pilothouse.cli.tables import age, amounts, counted, table
from pilothouse.structures.hostport import HostPort

_CHANGES = 12  # so many are shown
_CLEAR, _HIDE, _SHOW = "\x1b[H\x1b[J", "\x1b[?25l", "\x1b[?25h"

Every = Annotated[float, typer.Option("--every", metavar="SECONDS", min=0.2, help="How often to look.")]


def top(*, every_s: Every = 2.0, admin: Admin = None) -> None:
    """Show the state, the rate of changes, the proxies that are behind and the latest changes, until Ctrl-C.

    Without a terminal, it shows all of it once.
    """
    asked = place(admin)
    if not sys.stdout.isatty():
        answer("\n".join(_Screen(asked).lines()))
        return
    ended = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        print(_HIDE, end="")
        _show(_Screen(asked), every_s)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    finally:
        print(_SHOW, end="", flush=True)
        signal.signal(signal.SIGTERM, ended)


def _show(screen: _Screen, every_s: float) -> None:
    while True:
        try:
            lines = list(screen.lines())
        except Unanswered as lost:
            lines = [one_line(f"{lost}; trying again")]
        width, height = shutil.get_terminal_size()
        shown = "\n".join(line[:width] for text in lines for line in text.split("\n"))
        print(_CLEAR + "\n".join(shown.split("\n")[: height - 1]), flush=True)
        time.sleep(every_s)


class _Screen:
    """What is shown. It remembers the last change that it has seen, for the rate."""

    def __init__(self, asked: HostPort) -> None:
        self._asked = asked
        self._seen: tuple[float, int] | None = None

    def lines(self) -> Iterator[str]:
        """Ask, and say what there is. Raises Unanswered."""
        status = read(one(self._asked, path("status")), StatusView)
        sources = read(every(self._asked, path("sources")), SourceList).items
        latest = read(one(self._asked, path("changes"), {"limit": str(_CHANGES)}), ChangeList).items
        counts = status.counts
        ready = "ready" if status.ready else "not ready"
        yield f"pilothouse {one_line(status.version)}  {self._asked}  up {age(status.since)}  {ready}"
        yield f"serves   {counted(counts.services, 'service')}, {counted(counts.endpoints, 'endpoint')}"
        yield f"proxies  {amounts((name, number) for name, number in counts.proxies.items())}"
        yield f"changes  {self._rate(latest)}"
        yield from map(one_line, (f"! {each}" for each in (*status.reasons, *status.warnings)))
        yield ""
        rows = [(each.name, state(each), f"{each.services:,}", age(each.last_report)) for each in sources]
        yield table(("SOURCE", "STATE", "SERVICES", "REPORTED"), rows)
        if status.behind:
            yield ""
            yield table(("BEHIND", "STATE"), [(each.node or each.peer, each.state) for each in status.behind])
            rest = [f"{number:,} more {state}" for state, number in unnamed(status)]
            if rest:
                yield f"and {', '.join(rest)}"
        yield ""
        yield table(("CHANGE", "AGE", "WHAT", "ACKNOWLEDGED"), map(_row, latest))

    def _rate(self, latest: tuple[ChangeView, ...]) -> str:
        now, number = time.monotonic(), latest[0].number if latest else 0
        before, self._seen = self._seen, (now, number)
        if before is None or now <= before[0]:
            return f"{number:,} so far"
        return f"{number:,} so far, {max(0, number - before[1]) / (now - before[0]):.1f} a second"


def _row(change: ChangeView) -> tuple[str, ...]:
    if not change.services:
        return str(change.number), age(change.at), "-", acknowledged(change.published)
    first = change.services[0]
    more = f" and {change.touched - 1:,} more services" if change.touched > 1 else ""
    said = f"{first.service}: {first.what or '-'}{more}"
    return str(change.number), age(change.at), said, acknowledged(change.published)
