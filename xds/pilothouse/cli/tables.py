"""Tables as text, as wide as the terminal; in a pipe, as wide as they are. Nothing has colours."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from textwrap import wrap

from pilothouse.cli.output import one_line
from pilothouse.config.settings import ConfigError

_GAP, _BELOW = "  ", "    "
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
    below: bool = False,
    firm: int = 0,
) -> str:
    """Rows in columns. If they are too wide, the widest columns are cut, but not the first `firm` ones; with
    `wide`, nothing is.

    The last columns, `more` of them, are left out unless it is `wide`. `none` is said instead of no rows.
    With `below`, the last column that is shown is not cut: if there is no room, it has lines of its own.
    """
    shown = len(head) if wide else len(head) - more
    lines = [list(head[:shown]), *([one_line(cell) for cell in row[:shown]] for row in rows)]
    if none and len(lines) == 1:
        return none
    most = None if wide else width or room()
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    if not below or most is None or _whole(widths) <= most:
        widths = _fitted(widths, most, firm)
        return "\n".join(_line(line, widths) for line in lines)
    widths = _fitted(widths[:-1], most - len(_GAP) - len(head[shown - 1]), firm)
    title = _line(lines[0], [*widths, len(lines[0][-1])])
    return "\n".join([title, *(part for line in lines[1:] for part in _parted(line, widths, most))])


def _parted(line: Sequence[str], widths: Sequence[int], most: int) -> Iterator[str]:
    """A row, and its last cell in lines of their own, if it says anything."""
    yield _line(line[:-1], widths)
    if line[-1] != "-":
        yield from wrap(line[-1], most, initial_indent=_BELOW, subsequent_indent=_BELOW)


def percent(share: float) -> str:
    """A part in percent, as `33.33 %`."""
    return "< 0.01 %" if 0 < share < 0.01 else f"{share:g} %"


def room() -> int | None:
    """The width of the terminal. None if nothing is a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _fitted(widths: list[int], most: int | None, firm: int) -> list[int]:
    if most is None:
        return widths
    kept, found = widths[:firm], widths[firm:]
    while _whole([*kept, *found]) > most and max(found) > _LEAST:
        found[found.index(max(found))] -= 1
    return [*kept, *found]


def _whole(widths: Sequence[int]) -> int:
    """How wide a row is."""
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    cut = (_cut(cell, width).ljust(width) for cell, width in zip(cells, widths, strict=True))
    return _GAP.join(cut).rstrip()


def _cut(cell: str, width: int) -> str:
    """So much of a cell. The end of a path says most: it has the file and the line."""
    if len(cell) <= width:
        return cell
    return "…" + cell[len(cell) - width + 1 :] if cell.startswith("/") else cell[: width - 1] + "…"


def age(moment: str | None) -> str:
    """How long ago a time was, in its largest unit: `40s`, `12m`, `3h` or `2d`. A dash if it is unknown."""
    if not moment:
        return "-"
    seconds = max(0, int(time.time() - epoch(moment)))
    return next((f"{seconds // size}{unit}" for size, unit in _UNITS if seconds >= size), f"{seconds}s")


def short(moment: str | None, wide: bool = False) -> str:
    """A time as tables show it: `01-31 02:14:05`, in UTC; `wide`, as it is."""
    if not moment or wide:
        return moment or "-"
    return f"{datetime.fromtimestamp(epoch(moment), UTC):%m-%d %H:%M:%S}"


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
