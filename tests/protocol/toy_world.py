"""A world whose resources each hold one short text, in a message of the right type."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import Any

from pilothouse._pb.envoy.config.cluster.v3.cluster_pb2 import Cluster
from pilothouse._pb.envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from pilothouse._pb.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from pilothouse._pb.envoy.config.listener.v3.listener_pb2 import Listener
from pilothouse._pb.envoy.config.route.v3.route_pb2 import RouteConfiguration
from pilothouse.encoding.resources import Resource, Selection
from pilothouse.encoding.types import Changes, ResourceType

CDS, EDS = ResourceType.CLUSTER, ResourceType.ENDPOINTS
LDS, RDS = ResourceType.LISTENER, ResourceType.ROUTES
#: A type that the product does not serve: a row, and nothing else.
FURTHER = ResourceType(
    message="envoy.config.core.v3.TypedExtensionConfig",
    label="ECDS",
    proto="envoy/service/extension/v3/config_discovery.proto",
    service="ExtensionConfigDiscoveryService",
    stands_alone=True,
)
TYPES = (CDS, EDS, LDS, RDS, FURTHER)
MESSAGES: Mapping[ResourceType, Any] = {
    CDS: Cluster,
    EDS: ClusterLoadAssignment,
    LDS: Listener,
    RDS: RouteConfiguration,
    FURTHER: TypedExtensionConfig,
}

#: What `opened` reads in a load assignment without endpoints.
NO_ENDPOINTS = ""


@cache
def made(type: ResourceType, name: str, text: str) -> Resource:
    """The resource of this name that holds this text."""
    if type is CDS:
        message: Any = Cluster(name=name, alt_stat_name=text)
    elif type is EDS:
        message = ClusterLoadAssignment(cluster_name=name)
        message.endpoints.add().lb_endpoints.add().endpoint_name = text
    elif type is LDS:
        message = Listener(name=name, stat_prefix=text)
    elif type is FURTHER:
        message = TypedExtensionConfig(name=name)
        message.typed_config.type_url = text
    else:
        message = RouteConfiguration(name=name)
        message.virtual_hosts.add().name = text
    return Resource(type, name, message.SerializeToString(deterministic=True))


def opened(type: ResourceType, message: Any) -> tuple[str, str]:
    """Name and text of a message that `made` has made, or of a load assignment without endpoints."""
    if type is CDS:
        return message.name, message.alt_stat_name
    if type is EDS:
        held = [each.endpoint_name for group in message.endpoints for each in group.lb_endpoints]
        return message.cluster_name, held[0] if held else NO_ENDPOINTS
    if type is LDS:
        return message.name, message.stat_prefix
    if type is FURTHER:
        return message.name, message.typed_config.type_url
    return message.name, message.virtual_hosts[0].name


class ToyWorld:
    """As much of pilothouse.serving.world.World as a stream asks for."""

    opened = staticmethod(opened)

    def __init__(self) -> None:
        self.texts: dict[ResourceType, dict[str, str]] = {type: {} for type in TYPES}
        self.revision = 0
        self.complete = True  # whether nothing is unknown
        self.gone: set[tuple[ResourceType, str]] = set()  # known to be, although something is unknown
        self.partial: set[tuple[ResourceType, str]] = set()  # may lack something while something is unknown
        self._selections: dict[ResourceType, Selection] = {}
        self._chosen: dict[tuple[ResourceType, frozenset[str]], Selection] = {}

    def change(self, wanted: Iterable[tuple[ResourceType, str, str | None]]) -> Changes:
        """Set texts, or remove resources by None, all at once; returns what is different now."""
        changed: dict[ResourceType, set[str]] = {}
        for type, name, text in wanted:
            held = self.texts[type]
            if held.get(name) != text:
                changed.setdefault(type, set()).add(name)
            if text is None:
                held.pop(name, None)
            else:
                held[name] = text
            self._selections.pop(type, None)
            self._chosen.clear()
        return {type: frozenset(names) for type, names in changed.items()}

    def get(self, type: ResourceType, name: str) -> Resource | None:
        text = self.texts[type].get(name)
        return None if text is None else made(type, name, text)

    def finder(self, type: ResourceType) -> Callable[[str], Resource | None]:
        return partial(self.get, type)

    def is_absent(self, type: ResourceType, name: str) -> bool:
        return self.complete or (type, name) in self.gone

    def is_partial(self, type: ResourceType, name: str) -> bool:
        return not self.complete and (type, name) in self.partial

    def selection(self, type: ResourceType) -> Selection:
        if type not in self._selections:
            texts = sorted(self.texts[type].items())
            self._selections[type] = Selection({name: made(type, name, text) for name, text in texts})
        return self._selections[type]

    def chosen(self, type: ResourceType, names: frozenset[str]) -> Selection:
        if (type, names) not in self._chosen:
            held = {name: self.texts[type][name] for name in sorted(names) if name in self.texts[type]}
            self._chosen[type, names] = Selection(
                {name: made(type, name, text) for name, text in held.items()}
            )
        return self._chosen[type, names]
