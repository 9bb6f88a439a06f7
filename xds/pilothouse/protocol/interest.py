"""What a request names, and what a client wants by all that it has named."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from weakref import WeakValueDictionary

from pilothouse._pb.envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest
from pilothouse.protocol.limits import LONGEST_NAME, Excess, counted

WILDCARD = "*"


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Names:
    """The names of a request, encoded and as they are meant."""

    encoded: bytes
    plain: frozenset[str]
    wildcard: bool


_NO_NAMES = Names(b"", frozenset(), False)
# A fleet asks for the same thousand names again and again. They stay while a stream has them.
_shared: WeakValueDictionary[bytes, Names] = WeakValueDictionary()


@dataclass(frozen=True, slots=True)
class Interest:
    """What a client wants of one type. It is replaced when the client wants something else."""

    names: frozenset[str] = frozenset()
    wildcard: bool = False
    legacy: bool = False  # no name was ever given: an empty list still means everything
    # The request that `names` are of, if they are of one; held so that others can share it.
    asked: Names | None = None

    def wants(self, name: str) -> bool:
        return self.wildcard or name in self.names

    def __bool__(self) -> bool:
        return self.wildcard or bool(self.names)

    def restated(self, said: Names) -> Interest:
        """What the client wants by a request that names all of it."""
        legacy = self.stays_legacy(said)
        return Interest(said.plain, said.wildcard or legacy, legacy, said)

    def stays_legacy(self, said: Names) -> bool:
        """Whether no name was given by this request either."""
        return self.legacy and not said.plain and not said.wildcard

    def widened(self, names: frozenset[str], wildcard: bool) -> Interest:
        """With these names, and with everything if `wildcard` is set."""
        return Interest(self.names | names, self.wildcard or wildcard)

    def narrowed(self, names: frozenset[str], wildcard: bool) -> Interest:
        """Without these names, and if `wildcard` is set with what is named only."""
        everything = self.wildcard and not wildcard
        return Interest(self.names - names, everything) if names else replace(self, wildcard=everything)


def named(field: str, names: Sequence[str]) -> Names:
    """The names in a field of a request. Raises Excess.

    Both variants have them in the same field when encoded.
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
    """The plain names, and whether '*' was among them."""
    plain = frozenset(names)
    return (plain - {WILDCARD}, True) if WILDCARD in plain else (plain, False)
