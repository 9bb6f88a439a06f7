"""The parameters of pages: how each is written, and what a wrong value is answered with. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pilothouse.admin.api.inquiry import Mistaken
from pilothouse.structures.written import brief, quoted

MOST = 1000
_FEW = 100
_LONGEST = 4096
_DURATION = re.compile(r"(\d{1,9})(s|m|h|d)", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a query. `read` makes a value of its text, or raises ValueError with what it must be."""

    name: str
    about: str
    read: Callable[[str], Any] = str
    default: Any = ""
    schema: str = "string"


def limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 9 and 1 <= int(text) <= MOST):
        raise ValueError(f"must be a number from 1 to {MOST}")
    return int(text)


def duration(text: str) -> float:
    """The seconds of a duration such as `10m`."""
    found = _DURATION.fullmatch(text)
    if not found:
        raise ValueError("must be a duration such as 30m, 2h or 7d")
    return float(found[1]) * _SECONDS[found[2]]


def ago(text: str) -> float:
    """The seconds of a duration such as `10m`, or the Unix seconds of an RFC 3339 time as a negative number.

    The caller knows the time; this is pure.
    """
    if _DURATION.fullmatch(text):
        return duration(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ValueError("must be a duration such as 10m or 2h, or a time such as 2026-01-31T02:14:00Z")
    return -at.timestamp()


def yes(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError("must be yes or no")
    return text == "yes"


def one_of(words: Sequence[str]) -> Callable[[str], str]:
    """Reads one of these words."""

    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return text

    return read


LIMIT = Parameter("limit", f"How many items at most: 1 to {MOST}.", limit, _FEW, "integer")
AFTER = Parameter("after", "The `next` of the page before.")


def read(parameters: Sequence[Parameter], query: Sequence[tuple[str, str]]) -> Mapping[str, Any]:
    """The values of all parameters. Raises Mistaken, which names the parameter."""
    known = {each.name: each for each in parameters}
    found: dict[str, Any] = {each.name: each.default for each in parameters}
    seen: set[str] = set()
    for name, text in query:
        if name not in known:
            offered = f"known are {', '.join(known)}" if known else "this page has none"
            raise Mistaken(f"{brief(name)}: is not a parameter; {offered}")
        if name in seen:
            raise Mistaken(f"{name}: is given twice")
        if len(text) > _LONGEST:
            raise Mistaken(f"{name}: has more than {_LONGEST} characters")
        seen.add(name)
        try:
            found[name] = known[name].read(text)
        except ValueError as wrong:
            raise Mistaken(f"{name}: {wrong}, not {quoted(text)}") from None
    return found
