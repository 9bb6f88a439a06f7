"""What is wrong with a text, before anything in it is an object."""

from __future__ import annotations

#: For a person who gives us what Helm and its like have still to fill in.
TEMPLATE_HINT = "; is this a template? render it first"


class TextError(ValueError):
    """A text that cannot be read. `line` counts from 0; `path` leads to what is wrong, if it is one value."""

    def __init__(self, line: int, message: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(line, message, path)
        self.line = line
        self.message = message
        self.path = path

    def within(self, step: object) -> TextError:
        """The same, seen from the collection in which it stands under `step`."""
        known = step if isinstance(step, str | int) else str(step)
        return TextError(self.line, self.message, (known, *self.path))
