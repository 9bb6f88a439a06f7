"""A section of the settings: what an operator sets about one part of the program, which brings it itself.

A section is a frozen model. Each of its fields carries a `Flag`, from which the command line, the variables,
the file of settings and the reference are made:

    class Sized(Section):
        size: Annotated[int, Flag("Number of boxes.", "COUNT")] = 1
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainValidator

from pilothouse.structures.hostport import HostPort
from pilothouse.structures.written import named


@dataclass(frozen=True, slots=True)
class Flag:
    """How an operator gives a setting.

    `metavar` stands for its value; without one it is a switch. A metavar that begins with FILE, DIR or PATH
    is a path: in a file of settings it is relative to that file. A `repeatable` flag has a list of values,
    which a variable separates by `:`. `default` says in words what counts if nothing is set, where that is
    no value of the field.
    """

    help: str
    metavar: str = ""
    repeatable: bool = False
    default: str = ""

    @property
    def is_path(self) -> bool:
        return self.metavar.startswith(("FILE", "DIR", "PATH"))


class Section(BaseModel):
    """A part of the settings. Raises pydantic's ValidationError, and in it ValueError or Conflict."""

    # Built when first used: most commands need no settings, and a health check only a few.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Conflict(ValueError):
    """Settings that do not go together, by their names. Each is named to the operator where it was given."""

    def __init__(self, mistake: str, *names: str) -> None:
        super().__init__(mistake)
        self.names = names


def flags(section: type[Section]) -> Iterator[tuple[str, Flag]]:
    """The fields of a section that an operator sets, by their names."""
    for name, field in section.model_fields.items():
        for each in field.metadata:
            if isinstance(each, Flag):
                yield name, each


def _listed(value: object) -> object:
    """A text with commas is a list, wherever it was written."""
    parts = [value] if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
        return value
    return tuple(item.strip() for part in parts for item in part.split(",") if item.strip())


def _host_port(value: object) -> HostPort:
    return value if isinstance(value, HostPort) else HostPort.parse(named(value))


#: For a tuple that an operator may write as a text with commas.
LISTED = BeforeValidator(_listed)
Address: TypeAlias = Annotated[HostPort, PlainValidator(_host_port)]
