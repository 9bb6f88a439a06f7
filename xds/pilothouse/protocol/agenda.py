"""The work for the next response of one type: names to compare with what was sent, and names to answer."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass, field

from pilothouse.structures.delivery import Deliveries, Delivery, told


@dataclass(slots=True)
class Agenda:
    """Names to work on, and flags that concern all names."""

    requested: set[str] = field(default_factory=set)  # the client asked: answer, even if nothing changed
    rescan: bool = False  # compare all names, because the client wants others now
    due: bool = False  # send a response, even an empty one
    dirty: set[str] = field(default_factory=set)  # names that may differ from what was sent
    noted: Deliveries = ()  # the deliveries that made names dirty
    withheld: set[str] = field(default_factory=set)  # not answered: they may be in an unknown place

    @property
    def asked(self) -> bool:
        """Whether the client waits for an answer to a request."""
        return bool(self.requested or self.due)

    @property
    def pending(self) -> bool:
        """Whether there may be something to send, apart from removals."""
        return bool(self.dirty or self.rescan or self.requested or self.due)

    def change(self, names: Set[str], delivery: Delivery | None = None, client: str = "") -> None:
        """Note that these names changed. The client, which has this name, will confirm the delivery."""
        self.dirty |= names
        if delivery is not None:
            self.noted = told(self.noted, delivery, client)

    def request(self, names: Iterable[str]) -> None:
        """Note that the client asked for these names."""
        self.requested.update(names)

    def request_all(self, due: bool) -> None:
        """Note that the client wants everything from now on. With `due`, it waits for a response."""
        self.rescan, self.due = True, due

    def respond(self) -> None:
        """Check whether a response is needed, although no name has changed."""
        self.due = True

    def drop(self, names: Set[str]) -> None:
        """Note that the client no longer asks for these names."""
        self.requested -= names

    def keep(self, names: Set[str]) -> None:
        """Note that the client asks for none but these names."""
        self.requested &= names

    def withhold(self, name: str) -> None:
        """Do not answer for this name yet, because its resource may be in a place that cannot be read."""
        self.withheld.add(name)

    def released(self) -> set[str]:
        """Return the withheld names and stop withholding them."""
        withheld, self.withheld = self.withheld, set()
        return withheld

    def clear(self) -> None:
        """Note that all names have been compared and answered."""
        self.dirty.clear()
        self.requested.clear()
        self.rescan = self.due = False

    def taken(self) -> Deliveries:
        """Return the deliveries that made names dirty. A response carries their changes now."""
        noted, self.noted = self.noted, ()
        return noted
