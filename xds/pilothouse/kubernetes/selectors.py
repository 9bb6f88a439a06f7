"""Label selectors, in the syntax of Kubernetes' API, such as `team in (shop, office), !legacy`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from pilothouse.kubernetes.metadata import is_label_key, is_label_value

_TOKEN = re.compile(r"\s*([!=]=|[=!<>(),]|[^\s=!<>(),]+|$)")
_SETS = ("in", "notin")
_EQUALITY = ("=", "==", "!=")
_ORDER = (">", "<")


class _Token(NamedTuple):
    """A symbol, a word, or nothing at the end of the text. `at` counts characters from 1."""

    text: str
    at: int

    @property
    def is_word(self) -> bool:
        return bool(self.text) and self.text[0] not in "=!<>(),"

    def error(self, wanted: str) -> ValueError:
        found = f'not "{self.text}"' if self.text else "but the selector ends"
        return ValueError(f"at character {self.at}: there has to be {wanted}, {found}")


def selector(text: str) -> str:
    """The selector as it was written, without spaces around it. Raises ValueError that names the place."""
    try:
        _Reader(text.rstrip()).read()
    except ValueError as error:
        raise ValueError(
            f"{text!r} is not a label selector such as 'team in (shop, office)': {error}"
        ) from None
    return text.strip()


def _tokens(text: str) -> Iterator[_Token]:
    for found in _TOKEN.finditer(text):
        yield _Token(found[1], found.start(1) + 1)


class _Reader:
    """Reads requirements that are separated by commas."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._next = next(self._tokens)

    def read(self) -> None:
        self._requirement()
        while self._next.text:
            self._symbol(",")
            self._requirement()

    def _take(self) -> _Token:
        taken = self._next
        self._next = next(self._tokens, taken)
        return taken

    def _symbol(self, symbol: str) -> None:
        found = self._take()
        if found.text != symbol:
            raise found.error(f'"{symbol}"')

    def _requirement(self) -> None:
        absent = self._next.text == "!"
        if absent:
            self._take()
        self._key()
        operator = self._next
        if operator.text in ("", ",") or absent:
            return
        self._take()
        if operator.text in _SETS:
            self._set()
        elif operator.text in _EQUALITY:
            self._value()
        elif operator.text in _ORDER:
            self._number()
        else:
            raise operator.error(f"one of {', '.join((*_EQUALITY, *_SETS, *_ORDER))}")

    def _key(self) -> None:
        key = self._take()
        if not key.is_word or not is_label_key(key.text):
            raise key.error("the key of a label, such as team or example.com/team")

    def _value(self) -> None:
        """A value may be empty."""
        if not self._next.is_word:
            return
        value = self._take()
        if not is_label_value(value.text):
            raise value.error("the value of a label (at most 63 letters, digits, -, _ and .)")

    def _set(self) -> None:
        self._symbol("(")
        if self._next.text == ")":
            raise self._next.error("a value")
        self._value()
        while self._next.text == ",":
            self._take()
            self._value()
        self._symbol(")")

    def _number(self) -> None:
        value = self._take()
        if not re.fullmatch("-?[0-9]+", value.text):
            raise value.error("a whole number")
