"""The runtime layer as Envoy's message (RTDS)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilothouse._pb.envoy.service.runtime.v3.rtds_pb2 import Runtime
from pilothouse.encoding.resources import Resource, checked
from pilothouse.encoding.types import ResourceType

#: The name of the layer. Sidecars ask for it by this name.
LAYER = "pilothouse"


def runtime(values: Mapping[str, Any]) -> Resource:
    """The layer, which is the same for all sidecars. Values are plain values or mappings of such."""
    message = Runtime(name=LAYER)
    message.layer.update(values)
    return Resource(ResourceType.RUNTIME, LAYER, checked(message))
