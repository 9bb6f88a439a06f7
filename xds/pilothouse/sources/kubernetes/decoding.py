"""What the API server says becomes objects. Pure: bytes in, values out.

Most objects are read as those of a manifest are. Services, EndpointSlices and the metadata of Pods come in
thousands, so these are read by their types, with only the fields that count. One that has anything special in
it is read as all the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, Struct

from pilothouse.apiserver.answers import Unreadable, document
from pilothouse.kubernetes.annotations.known import PREFIX
from pilothouse.kubernetes.fields import FieldError, Fields
from pilothouse.kubernetes.metadata import is_label
from pilothouse.kubernetes.objects.services import cluster_ips
from pilothouse.kubernetes.objects.slices import IMPORTED, MANAGED_BY, MIRRORING, SERVICE, state
from pilothouse.kubernetes.objects.types import EndpointSlice, Entry, Key, Pod, Service
from pilothouse.kubernetes.parse import Parsed, parse
from pilothouse.model.routing import RouteKind
from pilothouse.model.services import State
from pilothouse.sources.kubernetes.resources import Resource
from pilothouse.sources.kubernetes.shown import Shown, shown


class Found(NamedTuple):
    """An object as it is at a resourceVersion, and what could be read of it; of a route all that is shown."""

    key: Key
    version: str
    parsed: Parsed
    shown: Shown | None = None


class _Meta(Struct, gc=False):
    name: str
    namespace: str = ""
    resource_version: str = msgspec.field(name="resourceVersion", default="")
    created: str | None = msgspec.field(name="creationTimestamp", default=None)
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class _Head(Struct, gc=False):
    metadata: _Meta


class _Conditions(Struct, gc=False):
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class _Target(Struct, gc=False):
    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""


class _Named(Struct, gc=False):
    name: str


class _Hints(Struct, gc=False):
    zones: list[_Named] | None = msgspec.field(name="forZones", default=None)
    nodes: list[_Named] | None = msgspec.field(name="forNodes", default=None)


class _Endpoint(Struct, gc=False):
    addresses: list[str]
    conditions: _Conditions | None = None
    target: _Target | None = msgspec.field(name="targetRef", default=None)
    node: str | None = msgspec.field(name="nodeName", default=None)
    zone: str | None = None
    hostname: str | None = None
    hints: _Hints | None = None
    topology: dict[str, str] | None = msgspec.field(name="deprecatedTopology", default=None)


class _Port(Struct, gc=False):
    name: str | None = None
    port: int | None = None
    protocol: str | None = None


class _Slice(Struct, gc=False):
    metadata: _Meta
    family: str = msgspec.field(name="addressType")
    endpoints: list[_Endpoint] | None
    ports: list[_Port] | None = None


class _ServicePort(Struct, frozen=True, gc=False):
    name: str | None = None
    port: int | None = None
    protocol: str | None = None
    spoken: str | None = msgspec.field(name="appProtocol", default=None)
    target: int | str | None = msgspec.field(name="targetPort", default=None)


class _Spec(Struct, gc=False):
    type: str | None = None
    ip: str | None = msgspec.field(name="clusterIP", default=None)
    ips: list[str] | None = msgspec.field(name="clusterIPs", default=None)
    ports: tuple[_ServicePort, ...] | None = None
    selector: dict[str, str] | None = None
    within: str | None = msgspec.field(name="internalTrafficPolicy", default=None)
    distribution: str | None = msgspec.field(name="trafficDistribution", default=None)
    families: tuple[str, ...] | None = msgspec.field(name="ipFamilies", default=None)
    affinity: str | None = msgspec.field(name="sessionAffinity", default=None)

    def shape(self, headless: bool) -> tuple[object, ...]:
        """All that Services have in common with others, but for how they are called and found."""
        said = self.type, self.within, self.distribution, self.families, self.affinity
        return (*said, self.ports, bool(self.selector), headless)


class _Service(Struct, gc=False):
    metadata: _Meta
    spec: _Spec


_READ_HEAD = msgspec.json.Decoder(_Head)
_READ_SLICE = msgspec.json.Decoder(_Slice)
_READ_SERVICE = msgspec.json.Decoder(_Service)


class Decoder:
    """Reads the objects of one kind. Of Pods those `labels` are kept that divide a service into subsets."""

    def __init__(self, resource: Resource, labels: frozenset[str] = frozenset()) -> None:
        self._resource, self._labels = resource, labels
        # What thousands of endpoints have in common is held once.
        self._same: dict[Any, Any] = {}
        # One Service of each shape, that was read as those of a manifest are.
        self._models: dict[tuple[object, ...], Service] = {}

    def found(self, data: Raw) -> Found:
        """Read an object. Raises Unreadable for something without a name."""
        try:
            quick = self._quick(data)
        except (msgspec.MsgspecError, UnicodeError):
            quick = None
        return quick or self._slow(data)

    def key(self, data: Raw) -> tuple[Key, str]:
        """Which object it is, and its resourceVersion. Raises Unreadable."""
        try:
            meta = _READ_HEAD.decode(data).metadata
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise Unreadable(f"an object cannot be read: {error}") from None
        return Key(self._resource.kind, meta.namespace, meta.name), meta.resource_version

    def _quick(self, data: Raw) -> Found | None:
        if self._resource.kind == "Service":
            return self._service(data, _READ_SERVICE.decode(data))
        if self._resource.kind == "EndpointSlice":
            return self._slice(_READ_SLICE.decode(data))
        if self._resource.kind == "Pod":
            return self._pod(_READ_HEAD.decode(data).metadata)
        return None

    def _slow(self, data: Raw) -> Found:
        key, version = self.key(data)
        found = document(data)
        found["kind"], found["apiVersion"] = self._resource.kind, self._resource.version
        parsed = parse(Fields(found), key.namespace, accepted=True)
        is_route = self._resource.kind in _ROUTES
        return Found(key, version, parsed, shown(self._resource, found, key, parsed) if is_route else None)

    def _pod(self, meta: _Meta) -> Found | None:
        if _is_special(meta):
            return None
        key = Key("Pod", meta.namespace, meta.name)
        wanted = self._labels.intersection(meta.labels or ())
        if not wanted:
            return Found(key, meta.resource_version, _SILENT)
        labels = tuple(sorted((name, (meta.labels or {})[name]) for name in wanted))
        pod = Pod(meta.namespace, meta.name, created=meta.created or "", labels=labels)
        return Found(key, meta.resource_version, Parsed(pod))

    def _service(self, data: Raw, read: _Service) -> Found | None:
        """A Service is what another one of the same shape is, under its own name and addresses."""
        meta, spec = read.metadata, read.spec
        if _is_special(meta) or spec.type == "ExternalName" or not _is_named(meta):
            return None
        objections: list[FieldError] = []
        addresses = Fields({"clusterIP": spec.ip, "clusterIPs": spec.ips})
        try:
            vips, headless = cluster_ips(addresses, objections.append)
        except FieldError:
            return None
        if objections:
            return None
        shape = spec.shape(headless)
        model = self._models.get(shape)
        if model is None:
            return self._modelled(self._slow(data), shape)
        created = meta.created or ""
        found = replace(model, namespace=meta.namespace, name=meta.name, vips=vips, created=created)
        return Found(found.key, meta.resource_version, Parsed(found))

    def _modelled(self, found: Found, shape: tuple[object, ...]) -> Found:
        if len(self._models) > _MOST_SHAPES:
            self._models.clear()
        if isinstance(found.parsed.object, Service) and not found.parsed.warnings:
            self._models[shape] = found.parsed.object
        return found

    def _slice(self, read: _Slice) -> Found | None:
        meta, labels = read.metadata, read.metadata.labels or {}
        if len(self._same) > _MOST_SHARED:
            self._same.clear()  # nodes come and go for years
        owner = labels.get(SERVICE)
        if not owner or IMPORTED in labels or read.family not in _COLONS or _is_special(meta):
            return None
        entries = self._entries(read.endpoints or (), meta.namespace, _COLONS[read.family])
        ports = [_port(port) for port in read.ports or () if port.protocol in (None, "TCP")]
        if entries is None or any(port.protocol not in _TRANSPORTS for port in read.ports or ()):
            return None
        found = EndpointSlice(
            self._shared(meta.namespace),
            meta.name,
            owner,
            self._shared(tuple(ports)),
            entries,
            created=meta.created or "",
            mirrored=labels.get(MANAGED_BY) == MIRRORING,
        )
        return Found(found.key, meta.resource_version, Parsed(found))

    def _entries(
        self, endpoints: Iterable[_Endpoint], namespace: str, colons: bool
    ) -> tuple[Entry, ...] | None:
        same = self._same.setdefault
        found: list[Entry] = []
        for each in endpoints:
            addresses, said, target, hints = each.addresses, each.conditions, each.target, each.hints
            if len(addresses) != 1 or (":" in addresses[0]) is not colons or each.topology is not None:
                return None
            pod, uid, zones, nodes = "", "", _NONE, _NONE
            if target is not None:
                uid = target.uid
                if target.kind != "Pod" or not target.name or not uid:
                    return None
                pod = f"{target.namespace or namespace}/{target.name}"
            if hints is not None:
                zones, nodes = self._shared(_names(hints.zones)), self._shared(_names(hints.nodes))
            node, zone, hostname = each.node, each.zone, each.hostname
            found.append(
                Entry(
                    addresses[0],
                    state(said.ready, said.serving, said.terminating) if said else State.READY,
                    same(node, node) if node else "",
                    same(zone, zone) if zone else "",
                    hostname.lower() if hostname else "",
                    pod,
                    uid,
                    zones,
                    nodes,
                )
            )
        return tuple(found)

    def _shared(self, value: Any) -> Any:
        return self._same.setdefault(value, value)


#: Of a Pod that says nothing about its endpoints, as most are.
_SILENT = Parsed()
# Whether addresses of a family have colons.
_COLONS = {"IPv4": False, "IPv6": True}
_NONE: tuple[str, ...] = ()
_MOST_SHARED = 50_000
_MOST_SHAPES = 5_000
_TRANSPORTS = (None, "TCP", "UDP", "SCTP")
_ROUTES = frozenset(kind.value for kind in RouteKind)


def _is_special(meta: _Meta) -> bool:
    """Whether somebody says something to us there, or the time is not written as API servers do."""
    created = meta.created
    if created and not (len(created) == 20 and created[-1] == "Z"):
        return True
    return _is_ours(meta.annotations) or _is_ours(meta.labels)


def _is_named(meta: _Meta) -> bool:
    """Whether a Service can have this name and namespace."""
    return is_label(meta.name) and is_label(meta.namespace)


def _is_ours(names: Iterable[str] | None) -> bool:
    return any(name.startswith(PREFIX) for name in names or ())


def _port(port: _Port) -> tuple[str, int | None]:
    return port.name or "", port.port


def _names(hints: list[_Named] | None) -> tuple[str, ...]:
    return tuple(sorted({hint.name for hint in hints})) if hints else ()
