"""The syntax of annotations such as `http, path=/healthz, interval=5s`. Invalid parts count as absent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from pilothouse.kubernetes.annotations.overrides import Warn
from pilothouse.kubernetes.durations import milliseconds
from pilothouse.kubernetes.fields import annotation_error

T = TypeVar("T")

#: Converts the text of a value. Raises ValueError with a message that says what is wrong.
Read: TypeAlias = Callable[[str], T]

_MOST_MS = 24 * 3_600_000


class Setting(NamedTuple, Generic[T]):
    """The field that a key sets, how to read its text, and what a warning says about its default."""

    field: str
    read: Read[T]
    otherwise: str


class Settings:
    """The settings of one annotation. A first item that is no `key=value` is stored under the key `first`."""

    def __init__(self, annotations: Mapping[str, str], name: str, warn: Warn, first: str = "") -> None:
        self._name, self._warn = name, warn
        self._values: dict[str, str] = {}
        for index, item in enumerate(annotations.get(name, "").split(",")):
            key, equals, value = item.partition("=")
            if equals:
                self._put(key.strip(), value.strip())
            elif item.strip() and first and index == 0:
                self._values[first] = item.strip()
            elif item.strip():
                self.reject(item.strip(), "is not key=value")

    def _put(self, key: str, value: str) -> None:
        if key in self._values:
            self.reject(f"{key}={self._values[key]}", f'is overridden by "{key}={value}"')
        self._values[key] = value

    def reject(self, what: str, why: str, otherwise: str = "") -> None:
        """Warn that a part is ignored. `otherwise` says what is in force instead."""
        message = f'"{what}" {why} and is ignored'
        self._warn(annotation_error(self._name, f"{message}; {otherwise}" if otherwise else message))

    def reject_rest(self, why: str) -> None:
        """Warn of each setting that is left after `take`, and that it is ignored."""
        for key, text in self._values.items():
            self.reject(f"{key}={text}", why)

    def read(self, known: Mapping[str, Setting[T]], without: str = "") -> dict[str, T]:
        """The values of the known keys, by field. Warns of all other keys.

        `without` says what is in force if no value can be read. By default, each key's own `otherwise` says
        it.
        """
        found: dict[str, T] = {}
        wrong: list[tuple[str, str, str]] = []
        for key, text in self._values.items():
            if key not in known:
                self.reject(key, f"is not one of {', '.join(known)}")
                continue
            setting = known[key]
            try:
                found[setting.field] = setting.read(text)
            except ValueError as error:
                wrong.append((f"{key}={text}", str(error), f"{key} is {setting.otherwise}"))
        for what, why, otherwise in wrong:
            self.reject(what, why, otherwise if found else without or otherwise)
        return found

    def take(self, key: str) -> str:
        """Remove a key and return its text, which is empty if the key is absent."""
        return self._values.pop(key, "")


def duration(least_ms: int = 1, most_ms: int = _MOST_MS) -> Read[int]:
    """A reader of durations such as `250ms`, `5s` or `1m30s`. It returns milliseconds."""

    def read(text: str) -> int:
        found = milliseconds(text)
        if found is None:
            raise ValueError("is not a duration such as 5s or 250ms")
        if not least_ms <= found <= most_ms:
            raise ValueError(f"is not between {least_ms} ms and {most_ms / 1000:g} s")
        return found

    return read


def whole(least: int, most: int) -> Read[int]:
    """A reader of whole numbers."""

    def read(text: str) -> int:
        digits = text.lstrip("0") or text[:1]
        if not (digits.isascii() and digits.isdigit() and len(digits) <= len(str(most))):
            raise ValueError(f"is not a whole number from {least} to {most}")
        if not least <= int(digits) <= most:
            raise ValueError(f"is not between {least} and {most}")
        return int(digits)

    return read
