"""Reads the node of a first request into plain values."""

from __future__ import annotations

import math
from collections.abc import Mapping

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.struct_pb2 import Value

from pilothouse._pb.envoy.config.core.v3.base_pb2 import Node
from pilothouse.mesh import audience
from pilothouse.model.services import Locality
from pilothouse.structures.written import brief

_KEYS = ("pilothouse", "NAMESPACE")
_NEEDED = frozenset({"id", "user_agent_name", "locality", "metadata"})
_UNNEEDED = frozenset(
    name
    for each in Node.DESCRIPTOR.fields
    for name in (each.name, each.json_name)
    if each.name not in _NEEDED
)
#: The largest metadata, in bytes. It is ten times that of a large mesh, and has room for all dependencies.
_LARGEST = 1 << 20
#: The largest number of values in `metadata.pilothouse`. The longest list of dependencies has fewer.
_MOST_VALUES = 40_000


def plain(node: Node) -> audience.Node:
    """The parts of the node that are needed: a whole node takes 61 KB, mostly Envoy's list of extensions.

    Raises BadNode.
    """
    if node.metadata.ByteSize() > _LARGEST:
        raise audience.BadNode("node.metadata", f"has more than {_LARGEST} bytes")
    fields, where = node.metadata.fields, node.locality
    return audience.Node(
        id=node.id,
        user_agent=node.user_agent_name,
        locality=Locality(where.region, where.zone, where.sub_zone),
        metadata={key: _Reading(f"node.metadata.{key}").plain(fields[key]) for key in _KEYS if key in fields},
    )


def written(said: Mapping[str, object]) -> audience.Node:
    """The node that an operator writes as JSON, with the names of its fields as in Envoy's bootstraps.

    Only what is needed of it is read, as a long list takes seconds. Even so it is work for a thread.
    Raises BadNode.
    """
    needed = {key: value for key, value in said.items() if key not in _UNNEEDED}
    metadata = needed.get("metadata")
    if isinstance(metadata, Mapping):
        needed["metadata"] = {key: metadata[key] for key in _KEYS if key in metadata}
    message = Node()
    try:
        ParseDict(needed, message)
    except (ParseError, RecursionError) as wrong:
        raise audience.BadNode("node", brief(" ".join(str(wrong).split()))) from None
    return plain(message)


class _Reading:
    """Converts the value of one key into plain values."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._values = 0

    def plain(self, value: Value) -> object:
        """Raises BadNode."""
        self._values += 1
        if self._values > _MOST_VALUES:
            raise audience.BadNode(self._place, f"has more than {_MOST_VALUES} values")
        match value.WhichOneof("kind"):
            case "struct_value":
                return {key: self.plain(each) for key, each in value.struct_value.fields.items()}
            case "list_value":
                return [self.plain(each) for each in value.list_value.values]
            case "string_value":
                return value.string_value
            case "bool_value":
                return value.bool_value
            case "number_value" if math.isfinite(value.number_value):
                return value.number_value
            case "number_value":
                raise audience.BadNode(self._place, "holds a number that JSON cannot say")
            case _:
                return None
