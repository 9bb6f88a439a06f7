"""The output of a command: text for people, JSON for programs."""

from __future__ import annotations

import os
import sys
from enum import Enum
from typing import Annotated

import typer

from pilothouse.config.settings import ConfigError


class Output(Enum):
    """The values of `-o`. In every form, answers go to stdout and error messages to stderr."""

    TEXT = "text"
    JSON = "json"


Form = Annotated[Output, typer.Option("--output", "-o", help="Output format.")]


def answer(text: str) -> None:
    """Print a text. Raises ConfigError if the reading program has ended, such as `head`."""
    try:
        typer.echo(text)
    except BrokenPipeError:
        # Python flushes again when it exits, and would print its own error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise ConfigError("stdout", "the program that reads it has gone") from None


def one_line(text: str) -> str:
    """The text without control characters and others that a terminal cannot show."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
