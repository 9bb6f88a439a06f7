"""Tables as text, as wide as the terminal; in a pipe, as wide as they are. Nothing has colours."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import datetime

from pilothouse.cli.output import one_line
from pilothouse.config.settings import ConfigError

_GAP = "  "
_LEAST = 6  # no column is cut to fewer characters than this
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"))


def table(  # noqa: PLR0913  (each is a wish of its own)
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    width: int | None = None,
    *,
    wide: bool = False,
    more: int = 0,
    none: str = "",
) -> str:
    """Rows in columns. If they are too wide, the widest columns are cut; with `wide`, nothing is.

    The last columns, `more` of them, are left out unless it is `wide`. `none` is said instead of no rows.
    """
    shown = len(head) if wide else len(head) - more
    lines = [list(head[:shown]), *([one_line(cell) for cell in row[:shown]] for row in rows)]
    if none and len(lines) == 1:
        return none
    most = None if wide else width or room()
    widths = _fitted([max(map(len, column)) for column in zip(*lines, strict=True)], most)
    return "\n".join(_line(line, widths) for line in lines)


def room() -> int | None:
    """The width of the terminal. None if nothing is a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _fitted(widths: list[int], most: int | None) -> list[int]:
    if most is None:
        return widths
    found = [*widths]
    while sum(found) + len(_GAP) * (len(found) - 1) > most and max(found) > _LEAST:
        found[found.index(max(found))] -= 1
    return found


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    cut = (
        cell if len(cell) <= width else cell[: width - 1] + "…"
        for cell, width in zip(cells, widths, strict=True)
    )
    return _GAP.join(cell.ljust(width) for cell, width in zip(cut, widths, strict=True)).rstrip()


def age(moment: str | None) -> str:
    """How long ago a time was, in its largest unit: `40s`, `12m`, `3h` or `2d`. A dash if it is unknown."""
    if not moment:
        return "-"
    seconds = max(0, int(time.time() - epoch(moment)))
    return next((f"{seconds // size}{unit}" for size, unit in _UNITS if seconds >= size), f"{seconds}s")


def epoch(moment: str) -> float:
    """A time that a control plane has said, in seconds since 1970. Raises ConfigError."""
    try:
        return datetime.fromisoformat(moment).timestamp()
    except (ValueError, OverflowError):
        raise ConfigError("--admin", f"the answer is not understood: {moment!r} is no time") from None


def since(moment: str | None) -> str:
    """A time and its age."""
    return f"{moment} ({age(moment)} ago)" if moment else "-"


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number and its noun: `1 service`, `2,000 services`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def amounts(numbers: Iterable[tuple[str, int]]) -> str:
    """Numbers with their names: `3 SYNCED, 1 STALE`."""
    return ", ".join(f"{number:,} {name}" for name, number in numbers) or "none"
