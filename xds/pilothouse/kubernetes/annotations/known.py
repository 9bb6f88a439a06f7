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

_KINDS: Mapping[str, tuple[str, ...]] = {
    overrides.WEIGHT: ("Pod", "EndpointSlice", "Endpoints", "Service"),
    overrides.ENDPOINT_WEIGHTS: ("EndpointSlice", "Endpoints"),
    overrides.LOCALITY: ("Pod",),
    overrides.EXPORT_TO: ("Service", "Namespace"),
    namespaces.DEFAULT_PROTOCOL: ("Namespace",),
    placements.FAILOVER: ("Service",),
    placements.DISTRIBUTE: ("Service",),
    placements.HINTS: ("Service",),
    placements.OVERPROVISIONING: ("Service",),
    policies.LOAD_BALANCING: ("Service",),
    policies.HASH_ON: ("Service",),
    policies.CIRCUIT_BREAKING: ("Service",),
    policies.OUTLIER_DETECTION: ("Service",),
    policies.HEALTH_CHECK: ("Service",),
    policies.SLOW_START: ("Service",),
    policies.TCP_KEEPALIVE: ("Service",),
    policies.CONNECT_TIMEOUT: ("Service",),
    subsets.SUBSET_LABELS: ("Service",),
    # On a TCPRoute or TLSRoute it is a mistake that fails the route, so it is reported elsewhere.
    subsets.SUBSET: ("HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute"),
    tls.ORIGINATE_TLS: ("Service",),
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
