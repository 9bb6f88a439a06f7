"""Reads JSON as an API server does, and finds the line of each field."""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple, NoReturn

from pilothouse.kubernetes.text.errors import TextError

# Concatenated files leave byte order marks between values.
_SPACE = re.compile(r"[ \t\n\r\ufeff]*")
_BETWEEN = re.compile(r"[ \t\n\r,:]*")
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_DIGITS = re.compile(r"[0-9]{1000}")
_MAX_DEPTH = 100
_START = re.compile(r"^\{", re.MULTILINE)

Path = tuple[str | int, ...]


class Value(NamedTuple):
    """One value of a text and its place, or the error because of which it cannot be read.

    If the value is not `certain`, the text may be valid YAML.
    """

    start: int
    end: int
    value: object
    error: TextError | None = None
    certain: bool = True


class _Refused(Exception):
    """The JSON is well-formed, but an API server refuses it. `step` is a key that appears twice, if any."""

    def __init__(self, message: str, step: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.step = step


def begins(text: str) -> bool:
    """Whether a text can be a stream of JSON objects."""
    return text.startswith("{", _skipped(text, 0))


def stream(text: str) -> Iterator[Value]:
    """The objects of a text. After a broken one, reading continues at the next line that begins with `{`.

    If the first value is broken, the text may be YAML.
    """
    at = _skipped(text, 0)
    while at < len(text):
        found = _read(text, at)
        yield found
        at = _skipped(text, found.end)
        if not found.certain:
            yield from _line_by_line(text, at)
            return


def _line_by_line(text: str, at: int) -> Iterator[Value]:
    """The values after a broken one. Each part is read by itself, so an error in it affects no later part."""
    while at < len(text):
        following = _START.search(text, at + 1)
        end = following.start() if following else len(text)
        part, inner = text[at:end], 0
        while inner < len(part):
            found = _read(part, inner)
            yield found._replace(start=at + found.start, end=at + found.end)
            inner = _skipped(part, found.end)
        at = end


class Places:
    """The places of fields in a text with one value. Remembers what earlier calls have found."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._known: dict[Path, Mapping[str | int, int]] = {}
        self._ends = [found.start() for found in re.finditer("\n", text)]

    def line(self, path: Path) -> int:
        """The line of a field, from 0. If there is no such field, the line of what contains it."""
        at = _skipped(self._text, 0)
        for depth, step in enumerate(path):
            inside = self._inside(path[:depth], at)
            if step not in inside:
                break
            at = inside[step]
        return bisect_left(self._ends, at)

    def _inside(self, path: Path, at: int) -> Mapping[str | int, int]:
        if path not in self._known:
            self._known[path] = dict(_places(self._text, at))
        return self._known[path]


def _read(text: str, at: int) -> Value:
    try:
        value, end = _DECODER.raw_decode(text, at)
        return _half(text, at, end, value) or Value(at, end, value)
    except json.JSONDecodeError as error:
        return _broken(text, at, error.pos, error.msg[:1].lower() + error.msg[1:])
    except _Refused as refused:
        return _refused(text, at, refused)
    except RecursionError:
        return _broken(text, at, at, "it is nested too deep")
    except ValueError:  # Python refuses to read numbers of thousands of digits
        digits = _DIGITS.search(text, at)
        return _broken(text, at, digits.start() if digits else at, "it has a number that is too large")


def _broken(text: str, start: int, at: int, message: str) -> Value:
    following = _START.search(text, start + 1)
    end = following.start() if following else len(text)
    at = min(at, len(text[start:end].rstrip()) + start)
    line = text.count("\n", start, at)
    return Value(start, end, None, TextError(line, f"is not JSON: {message}"), certain=False)


def _refused(text: str, at: int, refused: _Refused) -> Value:
    """Find the end of a refused value by reading it again without the checks."""
    try:
        _, end = _LENIENT.raw_decode(text, at)
    except (ValueError, RecursionError):
        return _broken(text, at, at, refused.message)
    path = _twice(text[at:end]) if refused.step is not None else ()
    line = Places(text[at:end]).line(path)
    return Value(at, end, None, TextError(line, refused.message, path))


def _half(text: str, at: int, end: int, value: object) -> Value | None:
    """The error if the value contains one half of a surrogate pair. No output format could carry it."""
    spelt = _HALF.search(text, at, end)
    if spelt is None or not _SURROGATE.search(json.dumps(value, ensure_ascii=False)):
        return None
    line = text.count("\n", at, spelt.start())
    return Value(at, end, None, TextError(line, f"has half a surrogate pair, {spelt.group()}.."))


def _twice(text: str) -> Path:
    """The path of the key that appears twice."""
    pending: list[tuple[Path, int]] = [((), _skipped(text, 0))]
    while pending:
        path, at = pending.pop()
        if len(path) > _MAX_DEPTH:
            continue
        seen: set[str | int] = set()
        for step, place in _places(text, at):
            if step in seen:
                return (*path, step)
            seen.add(step)
            pending.append(((*path, step), place))
    return ()


def _places(text: str, at: int) -> Iterator[tuple[str | int, int]]:
    """The keys or indexes of a collection, and where each begins.

    For a member of an object this is the place of its key. `_inner` finds the value from there.
    """
    at = _inner(text, at)
    opened = text[at : at + 1]
    at += 1
    index = 0
    while opened in ("{", "[") and text[(at := _after(text, at)) : at + 1] not in ("}", "]", ""):
        start = at
        key, at = _LENIENT.raw_decode(text, at)
        if opened == "[":
            yield index, start
            index += 1
        else:
            yield key, start
            _, at = _LENIENT.raw_decode(text, _after(text, at))


def _inner(text: str, at: int) -> int:
    """Where the value of a member begins. A list item is its own value."""
    if text[at : at + 1] != '"':
        return at
    _, end = _LENIENT.raw_decode(text, at)
    end = _skipped(text, end)
    return _after(text, end) if text[end : end + 1] == ":" else at


def _after(text: str, at: int) -> int:
    found = _BETWEEN.match(text, at)
    return found.end() if found else at


def _skipped(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise _Refused("appears twice", next(key for key in counts if counts[key] > 1))
    return found


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _Refused(f"has the number {text[:40]}, which is too large")
    return number


def _constant(text: str) -> NoReturn:
    raise _Refused(f"has {text}, which is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_constant=_constant)
_LENIENT = json.JSONDecoder(parse_int=str, parse_float=str)
