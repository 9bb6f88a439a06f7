"""How a command answers: in text for people, in JSON for programs."""

from __future__ import annotations

import os
import sys
from enum import Enum
from typing import Annotated

import typer

from pilothouse.config.settings import ConfigError


class Output(Enum):
    """The values of `-o`. Whatever it is, answers go to stdout and complaints to stderr."""

    TEXT = "text"
    JSON = "json"


Form = Annotated[Output, typer.Option("--output", "-o", help="Output format.")]


def answer(text: str) -> None:
    """Print a text. Raises ConfigError if whoever reads has gone, such as `head`."""
    try:
        typer.echo(text)
    except BrokenPipeError:
        # Python flushes once more when it exits, and would complain of that in its own way.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise ConfigError("stdout", "the program that reads it has gone") from None


def one_line(text: str) -> str:
    """The text without anything that a terminal acts on, or that no terminal can show."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
