"""The gRPC methods: ADS, and a service for each type that has one, in both variants of the protocol."""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple

from pilothouse.encoding.types import TYPES, ResourceType

_ADS = "envoy/service/discovery/v3/ads.proto", "AggregatedDiscoveryService"


class Service(NamedTuple):
    """A gRPC service. `type` is the type of requests that do not state one; None for ADS."""

    name: str
    sotw_method: str
    delta_method: str
    type: ResourceType | None


def _service(proto: str, name: str, type: ResourceType | None = None) -> Service:
    module = import_module("pilothouse._pb." + proto.removesuffix(".proto").replace("/", ".") + "_pb2")
    descriptor = module.DESCRIPTOR.services_by_name[name]
    methods = descriptor.methods_by_name
    [sotw] = (method for method in methods if method.startswith("Stream"))
    [delta] = (method for method in methods if method.startswith("Delta"))
    return Service(descriptor.full_name, sotw, delta, type)


SERVICES = (
    _service(*_ADS),
    *(_service(type.proto, type.service, type) for type in TYPES if type.service),
)
