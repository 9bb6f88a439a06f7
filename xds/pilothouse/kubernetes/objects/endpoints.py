"""Reads a `v1 Endpoints`, the predecessor of EndpointSlices.

In a cluster, a controller mirrors the Endpoints of Services without a selector into slices. Files have no
controller, so Pilothouse does it.
"""

from __future__ import annotations

from pilothouse.kubernetes import metadata
from pilothouse.kubernetes.annotations import overrides
from pilothouse.kubernetes.fields import FieldError, Fields
from pilothouse.kubernetes.objects.ports import is_tcp, number
from pilothouse.kubernetes.objects.slices import unreadable, workload_of
from pilothouse.kubernetes.objects.types import Endpoints, EndpointSlice, Entry, Key
from pilothouse.model.addresses import is_address, objection
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import State

_SKIP_MIRROR = "endpointslice.kubernetes.io/skip-mirror"
_LEADER = "control-plane.alpha.kubernetes.io/leader"


def endpoints(document: Fields, warn: overrides.Warn) -> Endpoints | Omission:
    """Read an Endpoints, or say why it plays no part. Raises FieldError if an API server would refuse it."""
    meta = metadata.namespaced(document)
    key = Key("Endpoints", meta.namespace, meta.name)
    if document.at("metadata").labels("labels").get(_SKIP_MIRROR) == "true":
        return Omission(Reason.NOT_MIRRORED, str(key), f"its label {_SKIP_MIRROR} is true")
    if _LEADER in meta.annotations:
        return Omission(Reason.NOT_MIRRORED, str(key), "it is a lock for leader election")
    weight = overrides.weight(meta.annotations, warn, "that of its Service, or 1")
    weights = overrides.endpoint_weights(meta.annotations, warn)
    refused: list[FieldError] = []
    slices = tuple(
        EndpointSlice(
            meta.namespace,
            meta.name,
            meta.name,
            tuple([(port.text("name"), number(port)) for port in subset.each("ports") if is_tcp(port)]),
            _entries(subset, meta.namespace, refused),
            weight,
            weights,
        )
        for subset in document.each("subsets")
    )
    left_out = unreadable(key, refused, any(found.entries for found in slices), warn)
    return Endpoints(meta.namespace, meta.name, slices, meta.created, left_out)


def _entries(subset: Fields, namespace: str, refused: list[FieldError]) -> tuple[Entry, ...]:
    ready = subset.readable("addresses", lambda item: _entry(item, namespace, State.READY), refused.append)
    not_ready = subset.readable(
        "notReadyAddresses", lambda item: _entry(item, namespace, State.NOT_READY), refused.append
    )
    return (*ready, *not_ready)


def _entry(item: Fields, namespace: str, state: State) -> Entry:
    address = item.required("ip")
    if not (is_address(address) or objection(address)):
        raise item.error("ip", f'"{address}" is not an IP address')
    pod, workload = workload_of(item.at("targetRef"), namespace)
    return Entry(
        address,
        state,
        node=item.text("nodeName"),
        hostname=metadata.hostname(item),
        pod=pod,
        workload=workload,
    )
