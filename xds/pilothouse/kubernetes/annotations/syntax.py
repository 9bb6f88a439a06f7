"""Annotations that hold settings: `http, path=/healthz, interval=5s`. Nonsense counts as absent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from pilothouse.kubernetes.annotations.overrides import Warn
from pilothouse.kubernetes.durations import milliseconds
from pilothouse.kubernetes.fields import annotation_error

T = TypeVar("T")

#: Makes a value of a text, or raises ValueError that says what is wrong with it.
Read: TypeAlias = Callable[[str], T]

_MOST_MS = 24 * 3_600_000


class Setting(NamedTuple, Generic[T]):
    """What a key is called here, how its text is read, and in words what holds without it."""

    field: str
    read: Read[T]
    otherwise: str


class Settings:
    """What one annotation says. `first` is the key of what comes first, if that is no `key=value`."""

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
            self.reject(f"{key}={self._values[key]}", f'comes before "{key}={value}"')
        self._values[key] = value

    def reject(self, what: str, why: str, otherwise: str = "") -> None:
        """Warn of a part that is left out; `otherwise` says what holds in its place."""
        message = f'"{what}" {why} and is ignored'
        self._warn(annotation_error(self._name, f"{message}; {otherwise}" if otherwise else message))

    def reject_rest(self, why: str) -> None:
        """Warn of all that has not been taken."""
        for key, text in self._values.items():
            self.reject(f"{key}={text}", why)

    def read(self, known: Mapping[str, Setting[T]], without: str = "") -> dict[str, T]:
        """The values of the known keys by what they are called here; warns of all others.

        `without` says what holds if there is none, where that is not what the keys have each by itself.
        """
        found: dict[str, T] = {}
        wrong: list[tuple[str, str, str]] = []
        for key, text in self._values.items():
            if key not in known:
                self.reject(key, f"is none of {', '.join(known)}")
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
        """The text of one key, which is not read any more; empty without one."""
        return self._values.pop(key, "")


def duration(least_ms: int = 1, most_ms: int = _MOST_MS) -> Read[int]:
    """Reads `250ms`, `5s`, `1m30s`; into milliseconds."""

    def read(text: str) -> int:
        found = milliseconds(text)
        if found is None:
            raise ValueError("is no duration such as 5s or 250ms")
        if not least_ms <= found <= most_ms:
            raise ValueError(f"is not between {least_ms} ms and {most_ms / 1000:g} s")
        return found

    return read


def whole(least: int, most: int) -> Read[int]:
    """Reads a whole number."""

    def read(text: str) -> int:
        digits = text.lstrip("0") or text[:1]
        if not (digits.isascii() and digits.isdigit() and len(digits) <= len(str(most))):
            raise ValueError(f"is not a whole number from {least} to {most}")
        if not least <= int(digits) <= most:
            raise ValueError(f"is not between {least} and {most}")
        return int(digits)

    return read
