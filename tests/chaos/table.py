"""The table that people read."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.markup import escape
from rich.table import Table

from .injection import Outcome

_NUMBERS = ("requests", "lost", "sent again", "absences", "MB before", "after", "change")


def table(outcomes: Sequence[Outcome]) -> Table:
    """A row for each outcome; what is wrong with it stands below its title."""
    ok = sum(outcome.ok for outcome in outcomes)
    found = Table(box=box.SIMPLE_HEAD, title=f"{ok} of {len(outcomes)} as they should be")
    found.add_column("injected", ratio=1)
    for name in _NUMBERS:
        found.add_column(name, justify="right", no_wrap=True)
    found.add_column("", no_wrap=True)
    for outcome in outcomes:
        found.add_row(*_cells(outcome))
    found.caption = (
        "absences: names that Envoys were told are gone. "
        "change: the longest time in ms until a moved endpoint was called, meanwhile and afterwards."
    )
    return found


def _cells(outcome: Outcome) -> Sequence[str]:
    complaints = "".join(f"\n[red]- {escape(text)}[/red]" for text in outcome.complaints)
    complaints += "".join(f"\n[dim]- at the first try: {escape(text)}[/dim]" for text in outcome.first_try)
    return (
        f"[bold]{outcome.name}[/bold] {escape(outcome.what)}{complaints}",
        f"{outcome.sent:,}",
        _marked(sum(outcome.lost.values())),
        _marked(outcome.again),
        f"{outcome.absences:,}",
        f"{outcome.before_mb:,.0f}",
        f"{outcome.after_mb:,.0f}",
        "" if outcome.change_s is None else f"{1000 * outcome.change_s:,.0f}",
        "[green]ok[/green]" if outcome.ok else "[red]no[/red]",
    )


def _marked(number: int) -> str:
    return f"[red]{number:,}[/red]" if number else "0"
