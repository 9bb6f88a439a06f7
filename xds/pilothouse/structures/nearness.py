"""Names that are like one that nothing has: for a user who has mistyped it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pilothouse.structures.turns import Steps

_MOST = 3
_LONGEST = 100  # characters that are compared
_STEP = 50  # names in a step


def near(wanted: str, names: Iterable[str], part: Callable[[str], str] = str) -> Steps[tuple[str, ...]]:
    """The few names that are most like `wanted`, the nearest first, in steps. `part` of each is compared."""
    wanted = wanted[:_LONGEST]
    most = max(1, len(wanted) // 4)
    found: list[tuple[int, str]] = []
    for count, name in enumerate(names):
        text = part(name)[:_LONGEST]
        distance = 0 if wanted and wanted in text else _distance(wanted, text, most)
        if distance <= most:
            found = sorted([*found, (distance, name)])[:_MOST]
        if count % _STEP == 0:
            yield
    return tuple(name for _, name in found)


def _distance(one: str, other: str, most: int) -> int:
    """How many characters to insert, delete, replace or swap. More than `most` counts as `most` + 1."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, b in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return row[-1]
