"""The demo's tables: endpoints and story while it runs, and the summary at the end."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pilothouse.demo.board import Board, Row
from pilothouse.demo.story import Act
from pilothouse.demo.verdict import Verdict

_BAR = 20
_WIDE = 110
"""From how many columns on there is room for bars, and for a line an act."""

_CLOSE = 0.05
_HEALTH = {"ready": "green", "not ready": "red", "no pods": "yellow", "no service": ""}


def live(board: Board, now_s: float, width: int, height: int) -> RenderableType:
    """Everything at a glance. If the height is too small, parts of the story are left out."""
    rows = board.rows(now_s)
    services = len({row.service for row in rows})
    lines = height - len(rows) - services - 4
    return Group(_headline(board, now_s), endpoints(rows, bars=width >= _WIDE), *_story(board, lines))


def endpoints(rows: Sequence[Row], bars: bool = False) -> Table:
    """A line for each endpoint, grouped by service."""
    table = _table()
    for name in ("service", "endpoint", "zone"):
        table.add_column(name, no_wrap=True)
    table.add_column("weight", justify="right", no_wrap=True)
    table.add_column("health", min_width=10, no_wrap=True)
    table.add_column("wanted", justify="right", no_wrap=True)
    table.add_column("seen", justify="right", min_width=4, no_wrap=True)
    if bars:
        table.add_column("", width=_BAR, no_wrap=True)
    table.add_column("from", min_width=5, no_wrap=True)
    table.add_column("change", justify="right", min_width=7, no_wrap=True)
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        ends = following is None or following.service != row.service
        table.add_row(*_cells(row, bars), end_section=ends, style="dim" if row.health == "no service" else "")
    return table


def summary(verdicts: Sequence[Verdict], width: int) -> RenderableType:
    """Each act of the story, and the result."""
    parts: list[RenderableType] = [_acts(verdicts) if width >= _WIDE else _narrow_acts(verdicts)]
    parts += [Text(f"MISSED {one.title}: {reason}", "bold red") for one in verdicts for reason in one.why]
    requests, failed = sum(one.requests for one in verdicts), sum(one.failed for one in verdicts)
    refused = sum(one.refused for one in verdicts)
    words = f"{requests:,} requests, {failed} failed, {refused:,} refused for want of pods, as expected"
    return Group(*parts, Text(words, "bold red" if failed else "bold green"))


def losses(verdict: Verdict) -> str:
    """What happened to requests that no pod served."""
    refused = f", {verdict.refused:,} refused as expected" if verdict.refused else ""
    return f"{verdict.failed} of {verdict.requests:,} requests failed{refused}"


def _acts(verdicts: Sequence[Verdict]) -> Table:
    table = _table()
    for name in ("", "step", "caller"):
        table.add_column(name, no_wrap=True)
    for name in ("expected", "seen"):
        table.add_column(name)
    for name in ("req/s", "failed", "propagation"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for one in verdicts:
        facts = (str(one.step), one.title, one.caller or "all", one.expected, one.seen)
        table.add_row(*facts, f"{one.per_s:.0f}", _failed(one), _ms(one.propagation_ms), _met(one))
    return table


def _narrow_acts(verdicts: Sequence[Verdict]) -> Table:
    """The acts as blocks of lines, for narrow terminals."""
    table = _table()
    table.add_column("", no_wrap=True)
    table.add_column("step")
    for name in ("failed", "took"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for one in verdicts:
        about = Text.assemble(
            (one.title, "bold"), ("\n  expected  ", "dim"), one.expected, ("\n  seen      ", "dim"), one.seen
        )
        table.add_row(str(one.step), about, _failed(one), _ms(one.propagation_ms), _met(one))
    return table


def _table() -> Table:
    """A thin table, because a live table has to fit into 80 columns."""
    return Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)


def _failed(verdict: Verdict) -> Text:
    return Text(str(verdict.failed), "bold red" if verdict.failed else "green")


def _met(verdict: Verdict) -> Text:
    return Text("ok", "green") if verdict.met else Text("MISSED", "bold red")


def _headline(board: Board, now_s: float) -> Text:
    return Text.assemble(
        (" Pilothouse ", "bold reverse"),
        f" {now_s - board.began_s:3.0f} s  {board.sent:,} requests, {board.rate(now_s):,.0f}/s, ",
        (f"{board.failed} failed", "bold red" if board.failed else "bold green"),
        f"  (web is an alias of {board.mesh.web})",
    )


def _story(board: Board, lines: int) -> list[Text]:
    """The acts around the present one."""
    acts = board.statuses()
    on = len(board.verdicts)
    lines = max(3, lines)
    first = max(0, min(on - lines // 2, len(acts) - lines))
    return [_act(*one, on=number == on) for number, one in enumerate(acts)][first : first + lines]


def _act(act: Act, verdict: Verdict | None, on: bool) -> Text:
    if verdict is None:
        return Text(f"{'>' if on else ' '} {act.step} {act.title}", "bold" if on else "dim")
    took = f"  {_ms(verdict.propagation_ms)}" if verdict.propagation_ms is not None else ""
    return Text.assemble(f"  {act.step} {act.title}  ", _met(verdict), (took, "cyan"))


def _cells(row: Row, bars: bool) -> list[RenderableType]:
    seen = row.seen or 0.0
    close = abs(seen - row.wanted) < _CLOSE
    cells: list[RenderableType] = [row.service, row.pod.name, row.pod.zone, str(row.pod.weight)]
    cells += [Text(row.health, _HEALTH[row.health]), _percent(row.wanted)]
    cells += [Text(_percent(seen), "" if close else "yellow")]
    if bars:
        cells.append(Text("#" * round(seen * _BAR), "cyan" if close else "yellow"))
    callers = " ".join(zone.rpartition("-")[2] for zone in row.callers)
    return [*cells, callers, Text(_ms(row.changed_ms), "cyan")]


def _percent(share: float) -> str:
    return f"{share:.0%}" if share else "-"


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.0f} ms"
