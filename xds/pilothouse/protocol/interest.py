"""The names in a request, and the names that a client wants after all of its requests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from weakref import WeakValueDictionary

from pilothouse._pb.envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest
from pilothouse.protocol.limits import LONGEST_NAME, Excess, counted

WILDCARD = "*"


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Names:
    """The names in a request, encoded and parsed. `plain` is without the wildcard `*`."""

    encoded: bytes
    plain: frozenset[str]
    wildcard: bool


_NO_NAMES = Names(b"", frozenset(), False)
# The clients of a fleet ask for the same thousand names. An entry lives as long as some stream holds it.
_shared: WeakValueDictionary[bytes, Names] = WeakValueDictionary()


@dataclass(frozen=True, slots=True)
class Interest:
    """The names that a client wants of one type. Immutable: it is replaced when the client wants others."""

    names: frozenset[str] = frozenset()
    wildcard: bool = False
    legacy: bool = False  # no request had names yet: an empty list means everything
    # The request that `names` come from, if it is a single one. Held so that other streams can share it.
    asked: Names | None = None

    def wants(self, name: str) -> bool:
        return self.wildcard or name in self.names

    def __bool__(self) -> bool:
        return self.wildcard or bool(self.names)

    def restated(self, said: Names) -> Interest:
        """The interest after a request that lists all names which the client wants (State of the World)."""
        legacy = self.stays_legacy(said)
        return Interest(said.plain, said.wildcard or legacy, legacy, said)

    def stays_legacy(self, said: Names) -> bool:
        """Whether this request has no names either, so that an empty list goes on to mean everything."""
        return self.legacy and not said.plain and not said.wildcard

    def widened(self, names: frozenset[str], wildcard: bool) -> Interest:
        """This interest with `names` added, and with the wildcard added if `wildcard` is set."""
        return Interest(self.names | names, self.wildcard or wildcard)

    def narrowed(self, names: frozenset[str], wildcard: bool) -> Interest:
        """This interest with `names` removed, and with the wildcard removed if `wildcard` is set."""
        everything = self.wildcard and not wildcard
        return Interest(self.names - names, everything) if names else replace(self, wildcard=everything)


def named(field: str, names: Sequence[str]) -> Names:
    """The names in a field of a request. Raises Excess.

    Both variants of the protocol have them in the field of the same number.
    """
    if not names:
        return _NO_NAMES
    counted(field, len(names))
    said = [*names]
    encoded = DiscoveryRequest(resource_names=said).SerializeToString()
    found = _shared.get(encoded)
    if found is None:
        if max(map(len, said)) > LONGEST_NAME:
            raise Excess(field, f"a name has more than {LONGEST_NAME} characters")
        found = _shared[encoded] = Names(encoded, *split_wildcard(said))
    return found


def split_wildcard(names: Iterable[str]) -> tuple[frozenset[str], bool]:
    """The names other than `*`, and whether `*` was among them."""
    plain = frozenset(names)
    return (plain - {WILDCARD}, True) if WILDCARD in plain else (plain, False)
