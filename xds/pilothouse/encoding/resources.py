"""Encoded xDS resources. Each is encoded once, and every stream sends the same bytes."""

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
#: The length of a set's version, in characters.
VERSION_SIZE = 16
# What a resource takes in a selection beside its encoding, in bytes.
_MEMBER = 200


class Resource:
    """One encoded resource. Equal content has an equal version in every process.

    `any` is the encoded google.protobuf.Any.
    `sotw_head` goes before it in a DiscoveryResponse.
    `delta_head` and `delta_tail` go around it in a DeltaDiscoveryResponse, where a Resource with name and
    version wraps it.
    `fingerprint` is what (name, version) adds to the version of a set.
    `complete`: a cluster that needs no load assignment.
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
    """Resources of one type by name, and the joined bytes of all of them."""

    def __init__(self, resources: Mapping[str, Resource]) -> None:
        self.resources = MappingProxyType(resources)  # read-only, because streams share it

    @property
    def size(self) -> int:
        """The approximate size in bytes, once the joined bytes have been computed."""
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
    """The fingerprint of a set, in any order. Adding or removing a member adds or subtracts one number."""
    return sum(resource.fingerprint for resource in resources)


def version(fingerprint: int) -> str:
    """The version of a set. Never empty: in xDS, an empty version means that nothing was accepted yet."""
    return f"{fingerprint & _FINGERPRINT_MASK:0{VERSION_SIZE}x}"


def sotw_body(resources: Iterable[Resource]) -> bytes:
    """The `resources` field of a DiscoveryResponse."""
    return b"".join([part for r in resources for part in (r.sotw_head, r.any)])


def delta_body(resources: Iterable[Resource]) -> bytes:
    """The `resources` field of a DeltaDiscoveryResponse."""
    return b"".join([part for r in resources for part in (r.delta_head, r.any, r.delta_tail)])


def emptied(type: ResourceType, name: str) -> Resource:
    """The empty resource of this name. It tells a client more than absence would.

    An empty load assignment, for example, takes the endpoints of a cluster away; leaving the load assignment
    out would not. Clients may ask for any name, so these resources are not kept.
    """
    assert type.empty is not None
    return Resource(type, name, type.empty(name))


def packed(message: Message) -> Any:
    """The message inside of an Any, encoded deterministically."""
    any = Any()
    any.Pack(message, deterministic=True)
    return any


def checked(message: Message) -> bytes:
    """The deterministic encoding of a message that meets its validation rules.

    Raises rules.RuleViolation if it breaks one. Envoy would refuse the whole response.
    """
    rules.check(message)
    return message.SerializeToString(deterministic=True)
