"""What is to be looked at, or to be answered, when a type has its turn."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass, field

from pilothouse.structures.delivery import Deliveries, Delivery, told, withdrawn


@dataclass(slots=True)
class Agenda:
    """Names, and what concerns all names."""

    requested: set[str] = field(default_factory=set)  # asked for, so to be answered although nothing changed
    rescan: bool = False  # anything may differ: what is wanted is another
    due: bool = False  # a response is to be sent, even if it is empty
    dirty: set[str] = field(default_factory=set)  # names that may differ from what was sent
    noted: Deliveries = ()  # what made names dirty that were not looked at yet
    withheld: set[str] = field(default_factory=set)  # may be something that cannot be read: not answered

    @property
    def asked(self) -> bool:
        """Whether the client asked for something."""
        return bool(self.requested or self.due)

    @property
    def pending(self) -> bool:
        """Whether there may be something to send, apart from what is gone."""
        return bool(self.dirty or self.rescan or self.requested or self.due)

    def change(self, names: Set[str], delivery: Delivery | None = None) -> None:
        """These changed."""
        self.dirty |= names
        if delivery is not None:
            self.noted = told(self.noted, delivery)

    def request(self, names: Iterable[str]) -> None:
        """These are to be answered."""
        self.requested.update(names)

    def request_all(self, due: bool) -> None:
        """The client wants everything from now on; with `due` it waits for a response."""
        self.rescan, self.due = True, due

    def respond(self) -> None:
        """It is to be looked at whether a response is needed."""
        self.due = True

    def drop(self, names: Set[str]) -> None:
        """The client asks for these no more."""
        self.requested -= names

    def keep(self, names: Set[str]) -> None:
        """The client asks for none but these."""
        self.requested &= names

    def withhold(self, name: str) -> None:
        """There may be something of this name that cannot be read."""
        self.withheld.add(name)

    def released(self) -> set[str]:
        """What was withheld, and is not any more."""
        withheld, self.withheld = self.withheld, set()
        return withheld

    def clear(self) -> None:
        """Everything up to now has been looked at."""
        self.dirty.clear()
        self.requested.clear()
        self.rescan = self.due = False

    def taken(self) -> Deliveries:
        """What made names dirty; it is in a response now."""
        noted, self.noted = self.noted, ()
        return noted

    def withdraw(self) -> None:
        """There is nothing to tell of what made names dirty."""
        withdrawn(self.taken())
