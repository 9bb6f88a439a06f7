"""The base of settings sections. Each part of the program brings the section with its own settings.

A section is a frozen model. Each of its fields carries a `Flag`. The command line, the variables, the
settings file and the reference are all made from these flags:

    class Sized(Section):
        size: Annotated[int, Flag("Number of boxes.", "COUNT")] = 1
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainValidator

from pilothouse.structures.hostport import HostPort
from pilothouse.structures.written import named


@dataclass(frozen=True, slots=True)
class Flag:
    """How an operator gives a setting.

    `metavar` is the placeholder of the value; without one, the flag is a switch. If it begins with FILE, DIR
    or PATH, the value is a path, which is relative to the settings file if it is written there.
    `repeatable`: the value is a list, which a variable separates by `:`.
    `default` describes the default in words, if it is no value of the field.
    """

    help: str
    metavar: str = ""
    repeatable: bool = False
    default: str = ""

    @property
    def is_path(self) -> bool:
        return self.metavar.startswith(("FILE", "DIR", "PATH"))


class Section(BaseModel):
    """A part of the settings. Raises pydantic's ValidationError, which contains ValueErrors or a Conflict."""

    # Built on first use: most commands need no settings, and a health check only a few.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Conflict(ValueError):
    """These settings contradict each other. The message names each where the operator has given it."""

    def __init__(self, mistake: str, *names: str) -> None:
        super().__init__(mistake)
        self.names = names


def flags(section: type[Section]) -> Iterator[tuple[str, Flag]]:
    """The names of a section's settings, with their flags."""
    for name, field in section.model_fields.items():
        for each in field.metadata:
            if isinstance(each, Flag):
                yield name, each


def _listed(value: object) -> object:
    """A text with commas as a list, in whatever place it was written."""
    parts = [value] if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
        return value
    return tuple(item.strip() for part in parts for item in part.split(",") if item.strip())


def _one_or_many(value: object) -> object:
    return (value,) if isinstance(value, str | Path) else value


def _host_port(value: object) -> HostPort:
    return value if isinstance(value, HostPort) else HostPort.parse(named(value))


#: The type of a tuple that operators may write as a text with commas.
LISTED = BeforeValidator(_listed)
#: The type of a tuple of which operators may write the only item.
ONE_OR_MANY = BeforeValidator(_one_or_many)
Address: TypeAlias = Annotated[HostPort, PlainValidator(_host_port)]
