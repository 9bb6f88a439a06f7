"""What is asked, and what is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from pilothouse.dns.records import Labels, Rcode, Record
from pilothouse.model.services import Service


class Question(NamedTuple):
    """A name, and the type of the records that are wanted."""

    name: Labels
    type: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The records of an answer by section.

    `elsewhere` is where a chain of aliases leads out of what is known here; whoever answers goes on there.
    `of` are the services that the answer was made from. It holds as long as these are in force. Without any,
    it holds for this question only.
    `authoritative` is false for what is not known here.
    """

    rcode: Rcode = Rcode.NOERROR
    records: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    elsewhere: Labels = ()
    of: tuple[Service, ...] = ()
    authoritative: bool = True
