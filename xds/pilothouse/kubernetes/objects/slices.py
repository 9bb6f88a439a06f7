"""Reads a `discovery.k8s.io/v1 EndpointSlice`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from msgspec import structs

from pilothouse.kubernetes import metadata
from pilothouse.kubernetes.annotations import overrides
from pilothouse.kubernetes.fields import FieldError, Fields
from pilothouse.kubernetes.objects.ports import is_tcp
from pilothouse.kubernetes.objects.types import EndpointSlice, Entry, Key
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import State

SERVICE = "kubernetes.io/service-name"
IMPORTED = "multicluster.kubernetes.io/service-name"
_CLUSTER = "multicluster.kubernetes.io/source-cluster"
_ZONE = "topology.kubernetes.io/zone"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MIRRORING = "endpointslicemirroring-controller.k8s.io"
_MOST_ADDRESSES = 100


def endpoint_slice(document: Fields, warn: overrides.Warn) -> EndpointSlice | Omission:
    """Read a slice, or say why it plays no part. Raises FieldError if an API server would refuse it."""
    meta = metadata.namespaced(document)
    # The API requires the field, even if null. A half-written file is not a service without endpoints.
    if "endpoints" not in document:
        raise document.error("endpoints", "is required, and may be []")
    family = document.required("addressType")
    if family not in ("IPv4", "IPv6", "FQDN"):
        raise document.error("addressType", f'"{family}" is not one of IPv4, IPv6, FQDN')
    key, labels = Key("EndpointSlice", meta.namespace, meta.name), document.at("metadata").labels("labels")
    refused: list[FieldError] = []
    found = EndpointSlice(
        meta.namespace,
        meta.name,
        _owner(document),
        tuple((port.text("name"), port.integer("port")) for port in document.each("ports") if is_tcp(port)),
        tuple(
            entry
            for each in document.readable(
                "endpoints", lambda item: _entries(item, meta.namespace, family), refused.append
            )
            for entry in each
        ),
        overrides.weight(meta.annotations, warn, "that of its Service, or 1"),
        overrides.endpoint_weights(meta.annotations, warn),
        meta.created,
        family == "FQDN",
        labels.get(MANAGED_BY) == MIRRORING,
        imported=bool(labels.get(IMPORTED)),
    )
    if not found.owner:
        return Omission(Reason.NO_OWNER, str(key), f"has no label {SERVICE}")
    if found.imported:
        entries = tuple(map(_elsewhere, found.entries))
        found = replace(found, entries=entries, cluster=labels.get(_CLUSTER, "").lower())
    return replace(found, left_out=unreadable(key, refused, bool(found.entries), warn))


def unreadable(
    key: Key, refused: Sequence[FieldError], others: bool, warn: overrides.Warn
) -> tuple[Omission, ...]:
    """Leave out the endpoints that cannot be read. If none can be read, raise the first error.

    An API server refuses the whole object, and what it declared before stays in force.
    """
    if refused and not others:
        raise refused[0]
    for error in refused:
        warn(FieldError(error.path, f"{error.message}; this endpoint is left out"))
    return tuple(Omission(Reason.INVALID_ENDPOINT, str(key), str(error)) for error in refused)


def state(ready: bool | None, serving: bool | None, terminating: bool | None) -> State:
    """The state that the conditions of an endpoint describe, where nil means what the API says (KEP-1669).

    Ready takes precedence over terminating, because `publishNotReadyAddresses` sets both.
    """
    is_ready = ready is not False
    if is_ready:
        return State.READY
    if terminating:
        return State.TERMINATING_SERVING if serving else State.TERMINATING
    return State.NOT_READY


def _owner(document: Fields) -> str:
    meta = document.at("metadata")
    labels = meta.labels("labels")
    # A slice of an import is none of the Service that may stand for it in this cluster.
    labelled = labels.get(IMPORTED) or labels.get(SERVICE)
    owners = (owner.text("name") for owner in meta.each("ownerReferences") if _is_service(owner))
    return labelled or next(owners, "")


def _is_service(owner: Fields) -> bool:
    """Whether a reference is to a core Service. Other groups have kinds called Service, too."""
    return owner.text("kind") == "Service" and owner.text("apiVersion", "v1") == "v1"


def _entries(item: Fields, namespace: str, family: str) -> list[Entry]:
    """The endpoint at each of its addresses."""
    addresses = item.texts("addresses")
    if not addresses:
        raise item.error("addresses", "is required")
    if len(addresses) > _MOST_ADDRESSES:
        raise item.error("addresses", f"has more than {_MOST_ADDRESSES} items")
    for address in addresses if family != "FQDN" else ():
        if (":" in address) != (family == "IPv6"):
            raise item.error("addresses", f'"{address}" is not of the addressType {family}')
    conditions = item.at("conditions")
    pod, workload = workload_of(item.at("targetRef"), namespace)
    hints = item.at("hints")
    said = (
        state(conditions.flag("ready"), conditions.flag("serving"), conditions.flag("terminating")),
        item.text("nodeName"),
        item.text("zone") or item.at("deprecatedTopology").text(_ZONE),
        metadata.hostname(item),
        pod,
        workload,
        _names(hints, "forZones"),
        _names(hints, "forNodes"),
    )
    return [Entry(address, *said) for address in addresses]


def _elsewhere(entry: Entry) -> Entry:
    """An endpoint of a cluster set: a Pod and a Node of these names are others in this cluster."""
    return structs.replace(entry, pod="", node="")


def _names(hints: Fields, field: str) -> tuple[str, ...]:
    """The sorted names. Their order has no meaning."""
    return tuple(sorted({hint.required("name") for hint in hints.each(field)}))


def workload_of(reference: Fields, namespace: str) -> tuple[str, str]:
    """The Pod behind an endpoint, if there is one, and what tells it from others at the same address."""
    kind, name = reference.text("kind"), reference.text("name")
    where = reference.text("namespace") or namespace
    pod = f"{where}/{name}" if kind == "Pod" and name else ""
    return pod, reference.text("uid") or (f"{kind}/{where}/{name}" if name else "")
