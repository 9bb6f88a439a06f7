"""What a client lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pilothouse.encoding.resources import Resource, Selection


@dataclass(slots=True)
class Difference:
    """What a client lacks, and so what the next response has to say."""

    changed: list[Resource]  # resources to send
    missing: list[str]  # names that the client asked for and that do not exist
    gone: Sequence[str] = ()  # names of resources that the client has and that it has to drop
    #: The selection that `changed` lists, if the client has nothing yet.
    whole: Selection | None = None

    def stated(self) -> None:
        """Note that the response is made. Others share the selection, so it takes less to remember it."""
        if self.whole is not None:
            self.changed = []

    @property
    def names(self) -> list[str]:
        """All names that the response states."""
        whole = self.whole.resources if self.whole is not None else ()
        return [*whole, *(resource.name for resource in self.changed), *self.missing, *self.gone]
