"""Finds all mistakes of an object. Reading stops at the first one, so the object is read again without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pilothouse.kubernetes.fields import HOLE, FieldError, Fields, Path

T = TypeVar("T")

#: The largest number of mistakes that are listed. Each costs another reading.
_MOST = 20


def read_all(read: Callable[[Fields], T], document: Fields) -> tuple[T | None, tuple[FieldError, ...]]:
    """The result of `read`, or the mistakes that refuse the object, in the order of reading."""
    try:
        return read(document), ()
    except FieldError as error:
        return None, tuple(_mistakes(read, document, error))


def _mistakes(read: Callable[[Fields], T], document: Fields, first: FieldError) -> list[FieldError]:
    errors, error, values = [first], first, document.values
    while len(errors) < _MOST:
        path = _what_to_leave_out(error.path[len(document.path) :])
        if not path:
            break
        values = _without(values, path)
        try:
            read(Fields(values, document.path))
        except FieldError as another:
            if _may_follow(another, errors):
                break
            error = another
            errors.append(error)
        else:
            break
    return errors


def _may_follow(error: FieldError, errors: list[FieldError]) -> bool:
    """Whether the error may only be a consequence of what was left out, inside of it or next to it."""
    if any(other.path[: len(error.path)] == error.path for other in errors):
        return True
    beside = any(other.path[:-1] == error.path[:-1] for other in errors)
    return beside and error.message.startswith("is required")


def _what_to_leave_out(path: Path) -> Path:
    """The path to leave out: the innermost list item around a field, or the field, or its whole list."""
    if path and isinstance(path[-1], int):
        return path[:-1]
    steps = [index for index, step in enumerate(path) if isinstance(step, int)]
    return path[: steps[-1] + 1] if steps else path


def _without(values: Any, path: Path) -> Any:
    """A copy without the value at a path. A list item leaves a hole, so that the others keep their index."""
    step, rest = path[0], path[1:]
    if isinstance(values, list) and isinstance(step, int) and step < len(values):
        below = _without(values[step], rest) if rest else HOLE
        return [*values[:step], below, *values[step + 1 :]]
    if isinstance(values, Mapping) and step in values:
        if rest:
            return {**values, step: _without(values[step], rest)}
        return {name: value for name, value in values.items() if name != step}
    return values
