"""The output of a command: text for people, JSON and YAML for programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from typing import Annotated, Any

import typer

from pilothouse.config.settings import ConfigError

_WIDTH = 1 << 20  # of a line of YAML: none is folded


class Output(Enum):
    """The values of `-o` of most commands. In every form, answers go to stdout and mistakes to stderr."""

    TEXT = "text"
    JSON = "json"


Form = Annotated[Output, typer.Option("--output", "-o", help="Output format.")]


class Format(Enum):
    """The values of `-o` of the commands that ask a control plane.

    `wide` has more columns, and nothing is cut.
    """

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"

    @property
    def is_text(self) -> bool:
        """Whether it is for people."""
        return self in (Format.TABLE, Format.WIDE)

    @property
    def is_wide(self) -> bool:
        return self is Format.WIDE


As = Annotated[Format, typer.Option("--output", "-o", help="Output format; wide has more columns.")]


def given(found: Mapping[str, Any], output: Format) -> bool:
    """Print an answer for programs, as it is, if that is the output that is wanted."""
    if not output.is_text:
        answer(written(found, output))
    return not output.is_text


def written(found: Any, output: Format) -> str:
    """A value as JSON or YAML, in ASCII: a fault can name a file whose name is not UTF-8."""
    try:
        if output is Format.JSON:
            return json.dumps(found, indent=2)
        import yaml

        return str(yaml.dump(found, Dumper=yaml.CSafeDumper, sort_keys=False, width=_WIDTH)).rstrip("\n")
    except RecursionError:
        raise ConfigError("stdout", "the answer is nested too deeply") from None


def answer(text: str) -> None:
    """Print a text. Raises ConfigError if it cannot be written."""
    with printing():
        typer.echo(text)


@contextmanager
def printing() -> Iterator[None]:
    """Raises ConfigError if stdout takes no more: its disk is full or its reader, like `head`, has gone."""
    try:
        yield
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        # Python flushes again when it exits, and would print its own error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        gone = isinstance(error, BrokenPipeError)
        why = "the program that reads it has gone" if gone else (error.strerror or str(error)).lower()
        raise ConfigError("stdout", why) from None


def complain(mistake: str) -> None:
    """Print a mistake on stderr, in one line. Whoever made its words may be hostile."""
    print("pilothouse:", *map(one_line, mistake.split()), file=sys.stderr)


def one_line(text: str) -> str:
    """The text without control characters and others that a terminal cannot show."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
