"""Reads typed fields out of plain values. An error names the full path of the field in the document."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from typing import Any, TypeVar

from pilothouse.model.reasons import Reason

T = TypeVar("T")
Path = tuple[str | int, ...]

#: The place of an object that was taken out of a list. It is skipped, and the other objects keep their index.
HOLE = object()


class FieldError(ValueError):
    """A field has a value that it cannot have. `path` is empty if the whole document is at fault.

    `reason` is the reason code, if something is left out because of the error.
    """

    def __init__(self, path: Path, message: str, reason: Reason | None = None) -> None:
        super().__init__(path, message)
        self.path = path
        self.message = message
        self.reason = reason

    @property
    def field(self) -> str:
        """The path as text, for example `spec.ports[0].port`."""
        return written(self.path)

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.path else self.message


def annotation_error(annotation: str, message: str) -> FieldError:
    """An error in an annotation of a document."""
    return FieldError(("metadata", "annotations", annotation), message)


def written(path: Path) -> str:
    """The path as text. The key of an annotation contains dots, so it is in brackets."""
    text = ""
    for step in path:
        if isinstance(step, int) or "." in step or "/" in step:
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text


class Fields:
    """One mapping of a document, and its place in the document.

    A null field counts as absent, as in the Kubernetes API. Every method raises FieldError if the value does
    not have the type that the method reads.
    """

    __slots__ = ("_above", "_steps", "_values")

    def __init__(self, values: object, path: Path = (), above: Fields | None = None) -> None:
        # The full path is computed only when an error needs it, which is rare.
        self._steps = path
        self._above = above
        if type(values) is not dict and not isinstance(values, Mapping):
            raise FieldError(self.path, f"is {_kind(values)}, not a mapping of fields")
        self._values: Mapping[Any, Any] = values

    def __contains__(self, key: str) -> bool:
        return key in self._values

    @property
    def path(self) -> Path:
        return self._steps if self._above is None else self._above.path + self._steps

    @property
    def values(self) -> Mapping[Any, Any]:
        """The whole mapping."""
        return self._values

    def filled(self, **defaults: str) -> Fields:
        """The same mapping with default values for missing fields."""
        return Fields({**defaults, **self._values}, self._steps, self._above)

    def error(self, key: str, message: str) -> FieldError:
        return FieldError((*self.path, key), message)

    def text(self, key: str, default: str = "") -> str:
        value = self._values.get(key)
        if type(value) is str and value.isascii():
            return value
        return default if value is None else _string(value, (*self.path, key))

    def required(self, key: str) -> str:
        value = self.text(key)
        if not value:
            raise self.error(key, "is required")
        return value

    def integer(self, key: str) -> int | None:
        value = self._values.get(key)
        if value is None:
            return None
        # In Python, YAML's true is an int.
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.error(key, f"is {_kind(value)}, not a whole number")
        return value

    def flag(self, key: str) -> bool | None:
        value = self._values.get(key)
        if value is None or isinstance(value, bool):
            return value
        raise self.error(key, f"is {_kind(value)}, not true or false")

    def anything(self, key: str) -> Any:
        return self._values.get(key)

    def at(self, key: str) -> Fields:
        """The mapping under a key. Empty if the key is absent."""
        value = self._values.get(key)
        return Fields({} if value is None else value, (key,), self)

    def each(self, key: str) -> Iterator[Fields]:
        """The mappings of a list, in order."""
        for index, value in enumerate(self._list(key)):
            if value is not HOLE:
                yield Fields(value, (key, index), self)

    def readable(
        self, key: str, read: Callable[[Fields], T], refuse: Callable[[FieldError], None]
    ) -> Iterator[T]:
        """The results of `read` for the mappings of a list, in order. If `read` rejects one, only that is
        left out.
        """
        for index, value in enumerate(self._list(key)):
            try:
                yield read(Fields(value, (key, index), self))
            except FieldError as error:
                refuse(error)

    def texts(self, key: str) -> tuple[str, ...]:
        """The strings of a list, in order."""
        values = self._list(key)
        if all(type(value) is str and value.isascii() for value in values):
            return tuple(values)
        path = (*self.path, key)
        return tuple(_string(value, (*path, index)) for index, value in enumerate(values))

    def labels(self, key: str) -> dict[str, str]:
        """A mapping of strings to strings."""
        return self._strings(key, lambda value: value)

    def annotations(self, key: str) -> dict[str, str]:
        """Like `labels`, but a bare number or boolean counts as text: `weight: 5` can only mean that."""
        return self._strings(key, _scalar)

    def _strings(self, key: str, read: Callable[[Any], object]) -> dict[str, str]:
        if self._values.get(key) is None:
            return {}
        inner = self.at(key)
        found: dict[str, str] = {}
        for name, value in inner._values.items():
            if not isinstance(name, str):
                raise FieldError(inner.path, f"has {_kind(name)} as a key, not a string{_hint(name)}")
            if type(value) is str and value.isascii():
                found[name] = value
            else:
                found[name] = "" if value is None else _string(read(value), (*inner.path, name))
        return found

    def _list(self, key: str) -> list[Any]:
        value = self._values.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.error(key, f"is {_kind(value)}, not a list")
        return value


def _string(value: object, path: Path) -> str:
    if not isinstance(value, str):
        raise FieldError(path, f"is {_kind(value)}, not a string{_hint(value)}")
    # JSON can spell one half of a surrogate pair, which no output format could carry.
    if not value.isascii() and re.search("[\ud800-\udfff]", value):
        raise FieldError(path, "is not valid Unicode")
    return value


def _scalar(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return _digits(value) if isinstance(value, int | float) else value


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {_digits(value)}"
    if isinstance(value, str):
        return f'the string "{value if len(value) <= 40 else value[:40] + "..."}"'
    if value is None:
        return "null"
    names = {list: "a list", dict: "a mapping", date: "a date", datetime: "a time"}
    return names.get(type(value), f"a {type(value).__name__}")


def _digits(value: float) -> str:
    # Python refuses to print integers of thousands of digits, which YAML can spell in base 16.
    return str(value) if isinstance(value, float) or abs(value) < 10**40 else "9" * 40


def _hint(value: object) -> str:
    return "" if isinstance(value, list | Mapping) else ": put it in quotes"
