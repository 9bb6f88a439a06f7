"""The annotations that Pilothouse reads, by kind. Any other one with our prefix is a mistake."""

from __future__ import annotations

from collections.abc import Mapping

from pilothouse.kubernetes.annotations import overrides, placements, policies, sidecars, subsets, tls
from pilothouse.kubernetes.fields import FieldError, Fields
from pilothouse.kubernetes.objects import namespaces
from pilothouse.kubernetes.schema import guess

#: Of the annotations that are ours.
PREFIX = "pilothouse.dev/"
_LABEL = "is a label; Pilothouse reads it as an annotation only"

_SERVICES = ("Service", "ServiceImport")
_KINDS: Mapping[str, tuple[str, ...]] = {
    overrides.WEIGHT: ("Pod", "EndpointSlice", "Endpoints", *_SERVICES),
    overrides.ENDPOINT_WEIGHTS: ("EndpointSlice", "Endpoints"),
    overrides.LOCALITY: ("Pod",),
    overrides.EXPORT_TO: (*_SERVICES, "Namespace"),
    overrides.ALLOCATE_VIRTUAL_IP: _SERVICES,
    namespaces.DEFAULT_PROTOCOL: ("Namespace",),
    placements.FAILOVER: _SERVICES,
    placements.DISTRIBUTE: _SERVICES,
    placements.HINTS: _SERVICES,
    placements.OVERPROVISIONING: _SERVICES,
    policies.LOAD_BALANCING: _SERVICES,
    policies.HASH_ON: _SERVICES,
    policies.CIRCUIT_BREAKING: _SERVICES,
    policies.OUTLIER_DETECTION: _SERVICES,
    policies.HEALTH_CHECK: _SERVICES,
    policies.SLOW_START: _SERVICES,
    policies.TCP_KEEPALIVE: _SERVICES,
    policies.CONNECT_TIMEOUT: _SERVICES,
    subsets.SUBSET_LABELS: _SERVICES,
    # On a TCPRoute or TLSRoute it is a mistake that fails the route, so it is reported elsewhere.
    subsets.SUBSET: ("HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute"),
    tls.ORIGINATE_TLS: _SERVICES,
    **dict.fromkeys(sidecars.ALL, ("Pod",)),
}


def strangers(kind: str, document: Fields) -> list[FieldError]:
    """Warnings of annotations with our prefix that this kind does not have, and of labels with our prefix."""
    meta = document.values.get("metadata")
    if not isinstance(meta, dict):
        return []
    unknown = [name for name in _ours(meta.get("annotations")) if kind not in _KINDS.get(name, ())]
    return [
        *(_error(document, "annotations", name, _why(kind, name)) for name in unknown),
        *(_error(document, "labels", name, _LABEL) for name in _ours(meta.get("labels"))),
    ]


def _ours(names: object) -> list[str]:
    if not isinstance(names, dict):
        return []
    return [name for name in names if isinstance(name, str) and name.startswith(PREFIX)]


def _why(kind: str, name: str) -> str:
    kinds = _KINDS.get(name)
    if kinds is None:
        return f"is not an annotation of Pilothouse and is ignored{guess(name, _KINDS)}"
    return f"is ignored on a {kind}: it is for {', '.join(kinds)}"


def _error(document: Fields, field: str, name: str, message: str) -> FieldError:
    return FieldError((*document.path, "metadata", field, name), message)
