"""From the node of a first request to the plain values that matter."""

from __future__ import annotations

from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Value

from pilothouse import audience
from pilothouse._pb.envoy.config.core.v3.base_pb2 import Node
from pilothouse.model import Locality

_KEYS = ("pilothouse", "NAMESPACE")


def plain(node: Node) -> audience.Node:
    """Only what is needed: a whole node is 61 KB, most of it Envoy's list of extensions. Raises BadNode."""
    fields = node.metadata.fields
    where = node.locality
    return audience.Node(
        id=node.id,
        user_agent=node.user_agent_name,
        locality=Locality(where.region, where.zone, where.sub_zone),
        metadata={key: _value(key, fields[key]) for key in _KEYS if key in fields},
    )


def _value(key: str, value: Value) -> object:
    try:
        result: object = MessageToDict(value)
    except ValueError:
        raise audience.BadNode(f"node.metadata.{key}", "holds a number that JSON cannot say") from None
    return result
