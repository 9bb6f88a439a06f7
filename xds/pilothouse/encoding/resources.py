"""Encoded xDS resources: each is encoded once, and the same bytes go to every stream that wants it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cache, cached_property
from types import MappingProxyType

from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message

from pilothouse.encoding import rules, wire
from pilothouse.encoding.types import ResourceType

_FINGERPRINT_MASK = (1 << 64) - 1
#: In characters, of the version of a set.
VERSION_SIZE = 16
# In bytes, what a resource in a selection takes beside its encoding.
_MEMBER = 200


class Resource:
    """One encoded resource. Equal content has an equal version, in every process.

    `any` is the encoded google.protobuf.Any. The heads and the tail are what goes around it in a
    DiscoveryResponse (`sotw_head`) and in a DeltaDiscoveryResponse, where it is wrapped in a
    Resource with name and version (`delta_head`, `delta_tail`). `fingerprint` stands for
    (name, version) in the version of a set. `complete` is a cluster that needs no
    load assignment.
    """

    __slots__ = (
        "__weakref__",
        "any",
        "complete",
        "delta_head",
        "delta_tail",
        "fingerprint",
        "name",
        "sotw_head",
        "type",
        "version",
    )

    def __init__(self, type: ResourceType, name: str, data: bytes, complete: bool = False) -> None:
        digest = hashlib.sha256(data)
        self.type = type
        self.name = name
        self.complete = complete
        self.version = digest.hexdigest()[:16]
        digest.update(name.encode())
        self.fingerprint = int.from_bytes(digest.digest()[:8], "big")
        self.any = _any_head(type) + wire.delimited(2, data)
        self.sotw_head = wire.head(2, len(self.any))
        inner = wire.text(1, self.version) + wire.head(2, len(self.any))
        self.delta_tail = wire.text(3, name)
        size = len(inner) + len(self.any) + len(self.delta_tail)
        self.delta_head = wire.head(2, size) + inner

    def __repr__(self) -> str:
        return f"<{self.type.label} {self.name} {self.version}>"


@cache
def _any_head(type: ResourceType) -> bytes:
    return wire.text(1, type.url)


class Selection:
    """A set of resources of one type by name, and the joined bytes of all of them."""

    def __init__(self, resources: Mapping[str, Resource]) -> None:
        self.resources = MappingProxyType(resources)  # streams share it

    @property
    def size(self) -> int:
        """About how many bytes it takes when it was joined once."""
        return _MEMBER * (1 + len(self.resources)) + 2 * sum([len(r.any) for r in self.resources.values()])

    @cached_property
    def fingerprint(self) -> int:
        return fingerprint(self.resources.values())

    @cached_property
    def versions(self) -> Mapping[str, str]:
        return {name: resource.version for name, resource in self.resources.items()}

    @cached_property
    def sotw_body(self) -> bytes:
        return sotw_body(self.resources.values())

    @cached_property
    def delta_body(self) -> bytes:
        return delta_body(self.resources.values())


EMPTY = Selection({})


def fingerprint(resources: Iterable[Resource]) -> int:
    """Stands for a set, whatever its order; one member more or less is one addition or subtraction."""
    return sum(resource.fingerprint for resource in resources)


def version(fingerprint: int) -> str:
    """The version of a set, never empty (xDS: empty means that nothing was accepted yet)."""
    return f"{fingerprint & _FINGERPRINT_MASK:0{VERSION_SIZE}x}"


def sotw_body(resources: Iterable[Resource]) -> bytes:
    """The `resources` field of a DiscoveryResponse."""
    return b"".join([part for r in resources for part in (r.sotw_head, r.any)])


def delta_body(resources: Iterable[Resource]) -> bytes:
    """The `resources` field of a DeltaDiscoveryResponse."""
    return b"".join([part for r in resources for part in (r.delta_head, r.any, r.delta_tail)])


def emptied(type: ResourceType, name: str) -> Resource:
    """One that holds nothing: an empty load assignment takes the endpoints of a cluster away, and leaving it
    out would not.

    Clients may ask for any name, so nothing of it is kept.
    """
    assert type.empty is not None
    return Resource(type, name, type.empty(name))


def packed(message: Message) -> Any:
    """An Any with a deterministic encoding inside."""
    any = Any()
    any.Pack(message, deterministic=True)
    return any


def checked(message: Message) -> bytes:
    """The deterministic encoding of a message that keeps its validation rules.

    Raises rules.RuleViolation otherwise: Envoy would refuse the whole response that held it.
    """
    rules.check(message)
    return message.SerializeToString(deterministic=True)
