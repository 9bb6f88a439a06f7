"""Errors of a text that cannot be read."""

from __future__ import annotations

#: Appended if the text looks like a template of Helm or another tool.
TEMPLATE_HINT = "; is this a template? render it first"


class TextError(ValueError):
    """A text cannot be read. `line` counts from 0. `path` leads to the value at fault, if it is one value."""

    def __init__(self, line: int, message: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(line, message, path)
        self.line = line
        self.message = message
        self.path = path

    def within(self, step: object) -> TextError:
        """The same error with `step` in front of its path."""
        known = step if isinstance(step, str | int) else str(step)
        return TextError(self.line, self.message, (known, *self.path))
