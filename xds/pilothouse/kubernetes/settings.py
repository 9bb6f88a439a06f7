"""Annotations that hold settings: `http, path=/healthz, interval=5s`. Nonsense counts as absent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias, TypeVar

from pilothouse.kubernetes.durations import milliseconds
from pilothouse.kubernetes.fields import annotation_error
from pilothouse.kubernetes.overrides import Warn

T = TypeVar("T")

#: Makes a value of a text, or raises ValueError that says what is wrong with it.
Read: TypeAlias = Callable[[str], T]

_MOST_MS = 24 * 3_600_000


class Settings:
    """What one annotation says. `first` is the key of what comes first, if that is no `key=value`."""

    def __init__(self, annotations: Mapping[str, str], name: str, warn: Warn, first: str = "") -> None:
        self._name, self._warn = name, warn
        self._values: dict[str, str] = {}
        for index, item in enumerate(annotations.get(name, "").split(",")):
            key, equals, value = item.partition("=")
            if equals:
                self._values[key.strip()] = value.strip()
            elif item.strip() and first and index == 0:
                self._values[first] = item.strip()
            elif item.strip():
                self.reject(item.strip(), "is not key=value")

    def reject(self, what: str, why: str) -> None:
        """Warn of a part that is left out."""
        self._warn(annotation_error(self._name, f'"{what}" {why} and is ignored'))

    def read(self, known: Mapping[str, tuple[str, Read[T]]]) -> dict[str, T]:
        """The values of the known keys by what they are called here; warns of all others."""
        found: dict[str, T] = {}
        for key, text in self._values.items():
            if key not in known:
                self.reject(key, f"is none of {', '.join(known)}")
                continue
            field, read = known[key]
            try:
                found[field] = read(text)
            except ValueError as error:
                self.reject(f"{key}={text}", str(error))
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
