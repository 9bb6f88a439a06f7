"""A feed: values from a file that is read again when it changes.

At the start, a file that cannot be used is a mistake. Later it is a fault, and the last good value stays in
force.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import structlog

from pilothouse.structures import paths

log = structlog.get_logger(__name__)

LONGEST = 1 << 20  # the largest file, in bytes

T = TypeVar("T")


class Mistake(ValueError):
    """A file cannot be used. `line` counts from 1; 0 means unknown. Only names from the file are quoted."""

    def __init__(self, file: str, message: str, line: int = 0, field: str = "") -> None:
        self.file, self.line, self.field, self.message = file, line, field, message
        self.place = f"{file}:{line}" if line else file
        super().__init__(": ".join(part for part in (self.place, field, message) if part))


@dataclass(frozen=True, slots=True)
class State:
    """The state of a feed: when it was last read completely (Unix seconds), and what is wrong, if so."""

    name: str
    read_s: float
    mistake: Mistake | None = None


class Feed(Generic[T]):
    """The value of a file, or of the files that it names. `refresh` may run on any thread, one at a time."""

    def __init__(self, name: str, read: Callable[[], T]) -> None:
        """Raises Mistake."""
        self._read = read
        self.value = self._found(name)
        self.state = State(name, time.time())

    def refresh(self) -> None:
        """Read the files again. A value that can be used comes into force."""
        name = self.state.name
        try:
            self.value = self._found(name)
        except Mistake as mistake:
            if str(mistake) != str(self.state.mistake):
                log.error("cannot be used, keeping the last good value", feed=name, reason=str(mistake))
            self.state = State(name, self.state.read_s, mistake)
        else:
            if self.state.mistake is not None:
                log.info("can be used again", feed=name)
            self.state = State(name, time.time())

    def _found(self, name: str) -> T:
        """Raises Mistake, even for an unexpected exception, so that a bug in a reader does not end the
        refreshing.
        """
        try:
            return self._read()
        except Mistake:
            raise
        except Exception as error:  # noqa: BLE001  (it may quote what is secret, so its kind alone is told)
            raise Mistake(name, f"cannot be read: {type(error).__name__}") from None


def content(path: Path) -> bytes:
    """The content of a file. Raises Mistake."""
    try:
        found = paths.content(path, LONGEST + 1)
    except OSError as error:
        raise Mistake(str(path), error.strerror or "cannot be read") from None
    if len(found) > LONGEST:
        raise Mistake(str(path), f"is not a file of at most {LONGEST} bytes")
    return found
