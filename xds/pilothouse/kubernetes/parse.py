"""Turns a document into an object. Refuses what the API server would refuse, and names the field.

Unknown fields, kinds, versions and annotations with our prefix are warnings. An invalid address or port of an
endpoint does not refuse its slice; a later step leaves that endpoint out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pilothouse.kubernetes import metadata
from pilothouse.kubernetes.annotations import overrides
from pilothouse.kubernetes.annotations.known import strangers
from pilothouse.kubernetes.fields import FieldError, Fields, Path
from pilothouse.kubernetes.gateway import grant, route
from pilothouse.kubernetes.gateway.backends import GROUP, MULTICLUSTER
from pilothouse.kubernetes.kinds import mistake
from pilothouse.kubernetes.mistakes import read_all
from pilothouse.kubernetes.objects import namespaces
from pilothouse.kubernetes.objects.endpoints import endpoints
from pilothouse.kubernetes.objects.services import service, service_import
from pilothouse.kubernetes.objects.slices import endpoint_slice
from pilothouse.kubernetes.objects.types import Node, Object, Pod
from pilothouse.kubernetes.schema import SHAPES, departures
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import Locality

# In order of precedence. The beta labels are from before Kubernetes 1.17.
_REGION = ("topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region")
_ZONE = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")
_SUB_ZONE = ("topology.pilothouse.dev/subzone", "topology.istio.io/subzone")

#: The versions of each kind of the Gateway API in which its fields are the same, the best one first.
GATEWAY_KINDS: Mapping[str, tuple[str, ...]] = {
    "HTTPRoute": ("v1", "v1beta1"),
    "GRPCRoute": ("v1",),
    "TCPRoute": ("v1", "v1alpha2"),
    "TLSRoute": ("v1", "v1alpha3", "v1alpha2"),
    "ReferenceGrant": ("v1", "v1beta1"),
}
#: The same of the MCS API. Of its ServiceExports nothing is read: whoever exports a service acts on them.
MULTICLUSTER_KINDS: Mapping[str, tuple[str, ...]] = {"ServiceImport": ("v1beta1", "v1alpha1")}


@dataclass(frozen=True, slots=True)
class Parsed:
    """The result for one document: an object, the reason why it plays no part, or the errors that refuse it.

    `warnings` name parts that were read as absent. If an object is `ignored` now, an older version of it has
    to be removed.
    """

    object: Object | None = None
    ignored: Omission | None = None
    warnings: tuple[FieldError, ...] = ()
    errors: tuple[FieldError, ...] = ()


def parse(document: Fields, namespace: str = metadata.DEFAULT_NAMESPACE, *, accepted: bool = False) -> Parsed:
    """Read one object of any kind. It is in `namespace` if it states none.

    If an API server has `accepted` it, a field that is unknown here is newer, and no mistake.
    """
    try:
        kind, version = document.required("kind"), document.required("apiVersion")
        read = _READERS.get((version, kind))
        if read is None:
            return _unread(document, kind, version)
    except FieldError as error:
        return Parsed(errors=(error,))
    warnings: list[FieldError] = []
    document = metadata.settled(document, namespace)
    found, errors = read_all(lambda fields: read(fields, warnings.append), document)
    if warnings:
        warnings = _once(_within(document.path, warning) for warning in warnings)
    if not accepted:
        warnings += departures(document.values, SHAPES[kind], document.path)
    warnings += strangers(kind, document)
    if isinstance(found, Omission):
        return Parsed(ignored=found, warnings=tuple(warnings))
    return Parsed(found, warnings=tuple(warnings), errors=errors)


def _unread(document: Fields, kind: str, version: str) -> Parsed:
    """The result for a kind that is not read. Raises FieldError if the document has no name."""
    if version in _OUR_VERSIONS:
        # Every object of these versions has a name. A half-written `kind: Serv` does not have one yet.
        document.at("metadata").required("name")
    wrong = mistake(version, kind, _READERS.keys())
    if wrong is None:
        ignored = Omission(Reason.UNSUPPORTED_KIND, f"{kind} of {version}", "plays no part in routing")
        return Parsed(ignored=ignored, warnings=tuple(strangers(kind, document)))
    field, message = wrong
    warning = FieldError((*document.path, field), message, Reason.UNSUPPORTED_KIND)
    return Parsed(warnings=(warning,))


def _within(path: Path, warning: FieldError) -> FieldError:
    """The warning with its full path. Some readers do not know that their document is an item of a list."""
    if warning.path[: len(path)] == path:
        return warning
    return FieldError((*path, *warning.path), warning.message, warning.reason)


def _once(warnings: Iterable[FieldError]) -> list[FieldError]:
    """The warnings without duplicates. An object with errors is read several times."""
    return [*{(warning.path, warning.message): warning for warning in warnings}.values()]


def _node(document: Fields, warn: overrides.Warn) -> Node:
    meta = metadata.global_(document)
    labels = document.at("metadata").labels("labels")
    place = Locality(_first(labels, _REGION), _first(labels, _ZONE), _first(labels, _SUB_ZONE))
    return Node(meta.name, place, meta.created)


def _pod(document: Fields, warn: overrides.Warn) -> Pod:
    meta = metadata.namespaced(document)
    weight = overrides.weight(meta.annotations, warn, "that of its slice or its Service, or 1")
    place = overrides.locality(meta.annotations, warn)
    labels = tuple(sorted(document.at("metadata").labels("labels").items()))
    node = document.at("spec").text("nodeName")
    return Pod(meta.namespace, meta.name, weight, place, meta.created, labels, node)


def _first(labels: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((labels[name] for name in names if labels.get(name)), "")


_READERS: dict[tuple[str, str], Callable[[Fields, overrides.Warn], Object | Omission]] = {
    ("v1", "Service"): service,
    ("v1", "Endpoints"): endpoints,
    ("v1", "Namespace"): namespaces.namespace,
    ("v1", "Node"): _node,
    ("v1", "Pod"): _pod,
    ("discovery.k8s.io/v1", "EndpointSlice"): endpoint_slice,
    **{
        (f"{GROUP}/{version}", kind): grant if kind == "ReferenceGrant" else route
        for kind, versions in GATEWAY_KINDS.items()
        for version in versions
    },
    **{
        (f"{MULTICLUSTER}/{version}", kind): service_import
        for kind, versions in MULTICLUSTER_KINDS.items()
        for version in versions
    },
}
_OUR_VERSIONS = frozenset(version for version, _ in _READERS)
