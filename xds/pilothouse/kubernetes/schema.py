"""The fields of the kinds that are read. Any other field is a mistake of the author.

The fields come from the published types of Kubernetes 1.37, of the Gateway API 1.6 (experimental channel) and
of the MCS API 0.5. Newer fields are warned of as unknown, which does no harm: unknown fields are ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import islice
from typing import Any

from pilothouse.kubernetes.fields import FieldError, Path

#: The longest name that is compared with known names to guess what was meant.
_LONGEST = 60
#: The largest number of unknown fields that are listed. A document with more of them is no manifest.
_MOST = 50


@dataclass(frozen=True, slots=True)
class Shape:
    """The names of an object's fields, and the shapes of the fields that hold objects or lists of objects."""

    names: frozenset[str]
    inner: Mapping[str, Shape]


def departures(document: Mapping[Any, Any], shape: Shape, path: Path = ()) -> Iterable[FieldError]:
    """The unknown fields of a document. It is optimised for documents that have none."""
    return () if _fits([document], shape) else islice(_departures(document, shape, path), _MOST)


def guess(name: str, known: Iterable[str]) -> str:
    """The known name that the author may have meant, as the end of a sentence. Empty if there is none."""
    if len(name) > _LONGEST:
        return ""
    alike = [other for other in known if other.lower() == name.lower()]
    found = alike or get_close_matches(name, sorted(known), 1, 0.75)
    return f'; did you mean "{found[0]}"?' if found else ""


def _fits(found: Sequence[Mapping[Any, Any]], shape: Shape) -> bool:
    """Whether none of these objects, all at one path, has a field that the shape lacks.

    All items of a list are looked at together, so a slice of 100 endpoints costs as many steps as one of a
    single endpoint.
    """
    keys: Any = found[0].keys() if len(found) == 1 else set().union(*found)
    if not shape.names.issuperset(keys):
        return False
    for name, inner in shape.inner.items():
        if name in keys:
            below = _below(found, name)
            if below and not _fits(below, inner):
                return False
    return True


def _below(found: Sequence[Mapping[Any, Any]], name: str) -> list[dict[Any, Any]]:
    below: list[dict[Any, Any]] = []
    for each in found:
        value = each.get(name)
        if isinstance(value, dict):
            below.append(value)
        elif isinstance(value, list):
            below.extend(item for item in value if isinstance(item, dict))
    return below


def _departures(value: object, shape: Shape, path: Path) -> Iterator[FieldError]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _departures(item, shape, (*path, index))
        return
    for name, below in value.items() if isinstance(value, dict) else ():
        where = (*path, str(name))
        if name in shape.inner:
            yield from _departures(below, shape.inner[name], where)
        elif name not in shape.names:
            yield FieldError(where, f"is not a known field and is ignored{guess(str(name), shape.names)}")


def _of(names: str = "", /, **inner: Shape) -> Shape:
    """A shape in which nothing below the fields in `names` is checked."""
    return Shape(frozenset((*names.split(), *inner)), inner)


def _route(spec: Shape) -> Shape:
    parent = _of("group kind name namespace port sectionName")
    names = spec.names | {"useDefaultGateways", "parentRefs"}
    return _object("status", spec=replace(spec, names=names, inner={**spec.inner, "parentRefs": parent}))


def _object(names: str = "", /, **inner: Shape) -> Shape:
    return _of(f"apiVersion kind {names}", metadata=_METADATA, **inner)


_METADATA = _of(
    "name generateName namespace selfLink uid resourceVersion generation creationTimestamp deletionTimestamp "
    "deletionGracePeriodSeconds labels annotations finalizers managedFields",
    ownerReferences=_of("apiVersion kind name uid controller blockOwnerDeletion"),
)
_REFERENCE = _of("kind namespace name uid apiVersion resourceVersion fieldPath")
_NAMED = _of("name")
_SERVICE = _object(
    "status",
    spec=_of(
        "selector clusterIP clusterIPs type externalIPs sessionAffinity loadBalancerIP externalName "
        "loadBalancerSourceRanges externalTrafficPolicy healthCheckNodePort publishNotReadyAddresses "
        "ipFamilies ipFamilyPolicy allocateLoadBalancerNodePorts loadBalancerClass internalTrafficPolicy "
        "trafficDistribution",
        ports=_of("name protocol appProtocol port targetPort nodePort"),
        sessionAffinityConfig=_of(clientIP=_of("timeoutSeconds")),
    ),
)
_IMPORT = _object(
    "status",
    spec=_of(
        "ips type sessionAffinity ipFamilies internalTrafficPolicy trafficDistribution",
        ports=_of("name protocol appProtocol port"),
        sessionAffinityConfig=_of(clientIP=_of("timeoutSeconds")),
    ),
)
_SLICE = _object(
    "addressType",
    endpoints=_of(
        "addresses hostname deprecatedTopology nodeName zone",
        conditions=_of("ready serving terminating"),
        targetRef=_REFERENCE,
        hints=_of(forZones=_NAMED, forNodes=_NAMED),
    ),
    ports=_of("name protocol port appProtocol"),
)
_ADDRESS = _of("ip hostname nodeName", targetRef=_REFERENCE)
_ENDPOINTS = _object(
    subsets=_of(
        addresses=_ADDRESS,
        notReadyAddresses=_ADDRESS,
        ports=_of("name port protocol appProtocol"),
    )
)
_NAMESPACE = _object("status", spec=_of("finalizers"))
_NODE = _object(
    "status",
    spec=_of("podCIDR podCIDRs providerID unschedulable taints configSource externalID podPreemptionPolicy"),
)
_POD = _object(
    "status",
    spec=_of(
        "volumes initContainers containers ephemeralContainers restartPolicy terminationGracePeriodSeconds "
        "activeDeadlineSeconds dnsPolicy nodeSelector serviceAccountName serviceAccount "
        "automountServiceAccountToken nodeName hostNetwork hostPID hostIPC shareProcessNamespace "
        "securityContext imagePullSecrets hostname subdomain affinity schedulerName tolerations hostAliases "
        "priorityClassName priority dnsConfig readinessGates runtimeClassName enableServiceLinks "
        "preemptionPolicy overhead topologySpreadConstraints setHostnameAsFQDN os hostUsers "
        "schedulingGates resourceClaims resources hostnameOverride schedulingGroup workloadRef "
        "evictionResponders"
    ),
)

_HEADER_CHANGE = _of("remove", set=_of("name value"), add=_of("name value"))
_PATH_CHANGE = _of("type replaceFullPath replacePrefixMatch")
_TO = _of("group kind name namespace port")
_GRPC_FILTER = _of(
    "type",
    requestHeaderModifier=_HEADER_CHANGE,
    responseHeaderModifier=_HEADER_CHANGE,
    requestMirror=_of("percent", backendRef=_TO, fraction=_of("numerator denominator")),
    extensionRef=_of("group kind name"),
)
_HTTP_FILTER = _of(
    "type",
    **_GRPC_FILTER.inner,
    requestRedirect=_of("scheme hostname port statusCode", path=_PATH_CHANGE),
    urlRewrite=_of("hostname", path=_PATH_CHANGE),
    cors=_of("allowOrigins allowCredentials allowMethods allowHeaders exposeHeaders maxAge"),
    externalAuth=_of(
        "protocol",
        backendRef=_TO,
        grpc=_of("allowedHeaders"),
        http=_of("path allowedHeaders allowedResponseHeaders"),
        forwardBody=_of("maxSize"),
    ),
)
_VALUE = _of("type name value")
_BACKEND = "group kind name namespace port weight"
_SESSION = _of("sessionName absoluteTimeout idleTimeout type", cookieConfig=_of("lifetimeType"))
_HTTP_RULE = _of(
    "name",
    matches=_of("method", path=_of("type value"), headers=_VALUE, queryParams=_VALUE),
    filters=_HTTP_FILTER,
    backendRefs=_of(_BACKEND, filters=_HTTP_FILTER),
    timeouts=_of("request backendRequest"),
    retry=_of("codes attempts backoff"),
    sessionPersistence=_SESSION,
)
_GRPC_RULE = _of(
    "name",
    matches=_of(method=_of("type service method"), headers=_VALUE),
    filters=_GRPC_FILTER,
    backendRefs=_of(_BACKEND, filters=_GRPC_FILTER),
    sessionPersistence=_SESSION,
)
_CONNECTION_RULE = _of("name", backendRefs=_of(_BACKEND))
_GRANT = _object("status", spec=_of(**{"from": _of("group kind namespace"), "to": _of("group kind name")}))

#: By kind. All versions of a kind that are read have the same fields.
SHAPES: Mapping[str, Shape] = {
    "Service": _SERVICE,
    "ServiceImport": _IMPORT,
    "EndpointSlice": _SLICE,
    "Endpoints": _ENDPOINTS,
    "Namespace": _NAMESPACE,
    "Node": _NODE,
    "Pod": _POD,
    "HTTPRoute": _route(_of("hostnames", rules=_HTTP_RULE)),
    "GRPCRoute": _route(_of("hostnames", rules=_GRPC_RULE)),
    "TCPRoute": _route(_of(rules=_CONNECTION_RULE)),
    "TLSRoute": _route(_of("hostnames", rules=_CONNECTION_RULE)),
    "ReferenceGrant": _GRANT,
}
