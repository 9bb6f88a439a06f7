"""Reads the plain form of YAML that kubectl and most people write, line by line. This is several times
faster.

Text in any other form is left to `yaml_text`. So each rule here is stricter than YAML, and none is looser.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pilothouse.kubernetes.text import scalars


class NotPlain(Exception):
    """The text is not in the plain form. It may still be valid YAML."""


# Printable ASCII without space, `#` and `:`, so that no word contains a comment or a key.
_CHARACTERS = r"""[!"$-9;-~]"""
_KEY = r"[A-Za-z][A-Za-z0-9_./-]*"
_QUOTED = r"""(?:"[ !#-\[\]-~]*"|'[ -&(-~]*')"""
_WORD = rf"[A-Za-z0-9_./]{_CHARACTERS}*(?:(?::+| ){_CHARACTERS}+)*"
# Indentation, a dash, a key, and then a word, a quoted text, or something that is parsed further.
_ROW = re.compile(rf"( *)(- +)?(?:({_KEY}):(?: +|$))?(?:({_WORD})|({_QUOTED})|([\[{{|][ -~]*))? *")
# One token of a collection in brackets. A key there is followed by a space.
_TOKEN = re.compile(rf"\s*(?:([\[\]{{}},])|(?:({_QUOTED})|([A-Za-z0-9_./][A-Za-z0-9_./+@=~-]*))(: )?)")
_COMMENT = re.compile(r" *#[\t -~]*")
_LITERAL = re.compile(r"[ -~]*")
# Equal lines are parsed once. The cache is emptied when it is full.
_ROWS = 4_000
# Deeper nesting is not plain.
_MAX_DEPTH = 40

_ABSENT = object()
# The key under which the whole document is stored.
_TOP = ""


# A line: its column, whether it begins with a dash, the column of its key, its key and its value. The key is
# empty if there is none. The value is _ABSENT if the following lines may hold it.
_Row = tuple[int, bool, int, str, object]


class _Literal(NamedTuple):
    """A value that is the block of text on the following lines."""

    indicator: str


class _Rows(dict[str, _Row | None]):
    """The parsed lines. None for an empty line or a comment."""

    def __missing__(self, line: str) -> _Row | None:
        if len(self) >= _ROWS:
            self.clear()
        row = self[line] = _row(line)
        return row


_rows = _Rows()


def document(text: str) -> object:
    """The only document of a text. Raises NotPlain if the text is not in the plain form."""
    lines = text.split("\n")
    if lines.pop():  # a literal at the very end lacks its line break
        raise NotPlain
    if lines and lines[0].rstrip() == "---":
        lines[0] = ""
    return _Blocks(lines).read()


class _Blocks:
    """The open collections during reading, the innermost last, with the column of each."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._at = 0
        self._top: dict[str, Any] = {}
        self._columns = [-1]
        self._holders: list[Any] = [self._top]
        # The mapping whose last key has no value yet, and that key.
        self._holder: Any = self._top
        self._key = _TOP

    def read(self) -> object:
        lines, rows, columns, holders = self._lines, _rows, self._columns, self._holders
        count = len(lines)
        while self._at < count:
            row = rows[lines[self._at]]
            self._at += 1
            if row is None:
                continue
            first, dash, column, key, value = row
            if columns[-1] > first:
                self._end(first)
            if columns[-1] != first or dash is not (type(holders[-1]) is list):
                self._turn(first, dash)
            if dash and key:
                self._item(column)
            self._put(holders[-1], key, value)
        return self._top.get(_TOP)

    def _put(self, holder: Any, key: str, value: object) -> None:
        if not key:
            holder.append(value)
            return
        if key in holder:
            raise NotPlain
        self._holder = None
        if type(value) is _Literal:
            value = self._literal(value.indicator, self._columns[-1])
        elif value is _ABSENT:
            self._holder, self._key, value = holder, key, None
        holder[key] = value

    def _end(self, column: int) -> None:
        """Close the collections that begin further to the right."""
        while self._columns[-1] > column:
            self._columns.pop()
            self._holders.pop()

    def _item(self, column: int) -> None:
        """Begin a mapping after a dash."""
        new: dict[str, object] = {}
        self._holders[-1].append(new)
        self._push(column, new)

    def _turn(self, column: int, dash: bool) -> None:
        """Begin a new collection, or return to the one around the innermost."""
        columns, holders = self._columns, self._holders
        if columns[-1] == column and not dash:  # a list had the same column as its key
            columns.pop()
            holders.pop()
            if columns[-1] != column:
                raise NotPlain
            return
        # The new collection is the value of the key on the previous line.
        if self._holder is not holders[-1]:
            raise NotPlain
        new: Any = [] if dash else {}
        self._holder[self._key] = new
        self._holder = None
        self._push(column, new)

    def _push(self, column: int, new: Any) -> None:
        if len(self._columns) > _MAX_DEPTH:
            raise NotPlain
        self._columns.append(column)
        self._holders.append(new)

    def _literal(self, indicator: str, column: int) -> str:
        """A block of text. Its lines are indented deeper than the collection that holds it."""
        found = [*self._block(column)]
        if not found or not found[0]:
            raise NotPlain
        while found and not found[-1]:
            found.pop()
        return "\n".join(found) + ("" if indicator == "|-" else "\n")

    def _block(self, column: int) -> Iterator[str]:
        lines, indent = self._lines, 0
        while self._at < len(lines):
            line = lines[self._at]
            stripped = line.lstrip(" ")
            indent = indent or len(line) - len(stripped)
            if stripped and len(line) - len(stripped) < indent:
                return
            if indent <= column or not _LITERAL.fullmatch(line):
                raise NotPlain
            self._at += 1
            yield line[indent:]


def _row(line: str) -> _Row | None:
    found = _ROW.fullmatch(line)
    if found is None:
        if _COMMENT.fullmatch(line):
            return None
        raise NotPlain
    indent, dash, key, word, quoted, other = found.groups()
    if not (dash or key):
        if word or quoted or other:
            raise NotPlain  # a text that spans several lines
        return None
    value = _value(word, quoted, other)
    if not key and (value is _ABSENT or type(value) is _Literal):
        raise NotPlain
    if key and not isinstance(scalars.plain(key), str):
        raise NotPlain
    column = len(indent)
    return column, bool(dash), column + len(dash or ""), key or "", value


def _value(word: str | None, quoted: str | None, other: str | None) -> object:
    if word:
        return _plain(word)
    if quoted:
        return _unquoted(quoted)
    if not other:
        return _ABSENT
    if other[0] == "|":
        indicator = other.rstrip()
        if indicator not in ("|", "|-"):
            raise NotPlain
        return _Literal(indicator)
    tokens = _Tokens(other.rstrip())
    value = tokens.value()
    tokens.end()
    return value


def _plain(word: str) -> object:
    try:
        return scalars.plain(word)
    except ValueError:
        raise NotPlain from None


def _unquoted(quoted: str) -> str:
    # Neither kind of quoted text contains an escape here.
    return quoted[1:-1]


class _Tokens:
    """A collection in brackets, on one line."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def value(self) -> object:
        sign, value, is_key = self._next()
        if sign == "{":
            return self._collection(self._mapping)
        if sign == "[":
            return self._collection(self._list)
        if sign or is_key:
            raise NotPlain
        return value

    def end(self) -> None:
        if self._at != len(self._text):
            raise NotPlain

    def _collection(self, read: Callable[[], object]) -> object:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise NotPlain
        value = read()
        self._depth -= 1
        return value

    def _mapping(self) -> dict[str, object]:
        found: dict[str, object] = {}
        if self._ends("}"):
            return found
        while True:
            _, key, is_key = self._next()
            if not is_key or not isinstance(key, str) or key in found:
                raise NotPlain
            found[key] = self.value()
            if self._is_last("}"):
                return found

    def _list(self) -> list[object]:
        found: list[object] = []
        if self._ends("]"):
            return found
        while True:
            found.append(self.value())
            if self._is_last("]"):
                return found

    def _ends(self, sign: str) -> bool:
        before = self._at
        if self._next()[0] == sign:
            return True
        self._at = before
        return False

    def _is_last(self, sign: str) -> bool:
        found = self._next()[0]
        if found not in (sign, ","):
            raise NotPlain
        return found == sign

    def _next(self) -> tuple[str, object, bool]:
        """The next bracket or comma, or else the next word and whether it is a key."""
        found = _TOKEN.match(self._text, self._at)
        if found is None:
            raise NotPlain
        self._at = found.end()
        sign, quoted, word, is_key = found.groups()
        return sign or "", _unquoted(quoted) if quoted else _plain(word or "~"), bool(is_key)
