"""How a command answers: in text for people, in JSON for programs."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer


class Output(Enum):
    """The values of `-o`. Whatever it is, answers go to stdout and complaints to stderr."""

    TEXT = "text"
    JSON = "json"


Form = Annotated[Output, typer.Option("--output", "-o", help="For people or for programs.")]
