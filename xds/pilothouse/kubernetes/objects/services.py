"""Reads a `v1 Service`."""

from __future__ import annotations

import re
from dataclasses import replace

from pilothouse.kubernetes import metadata
from pilothouse.kubernetes.annotations import overrides
from pilothouse.kubernetes.annotations.placements import placement
from pilothouse.kubernetes.annotations.policies import policy
from pilothouse.kubernetes.annotations.tls import ORIGINATE_TLS, upstream_tls
from pilothouse.kubernetes.fields import FieldError, Fields, Path, annotation_error
from pilothouse.kubernetes.objects.ports import number, transport
from pilothouse.kubernetes.objects.protocols import inside_tls, spoken
from pilothouse.kubernetes.objects.types import Service
from pilothouse.kubernetes.served import never_virtual
from pilothouse.model.addresses import canonical_address, is_address
from pilothouse.model.policy import CLIENT
from pilothouse.model.services import Port, Protocol, UpstreamTls

_TYPES = ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName")
# The API server demands lower case. Here any case will do, as in the comparison of the words in these names.
_PORT_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII | re.IGNORECASE)


def service(document: Fields, warn: overrides.Warn) -> Service:
    """Read a Service. Raises FieldError if the API server would refuse it."""
    meta = metadata.namespaced(document)
    if not metadata.is_label(meta.name):
        message = f'"{meta.name}" is not a DNS label (no dots, at most 63 characters)'
        raise document.at("metadata").error("name", message)
    if "spec" not in document:
        raise document.error("spec", "is required")
    spec = document.at("spec")
    external = _external_name(spec)
    vips, headless = ((), False) if external else cluster_ips(spec, warn)
    placed = placement(spec, meta.annotations, warn)
    called = policy(placed.sticky, meta.annotations, warn)
    if called.hash_on == CLIENT and not placed.sticky:
        placed = replace(placed, sticky=True)
    tls = upstream_tls(meta.annotations, warn)
    ports = _ports(spec, not (external or headless), tls)
    if tls is not None and all(port.tls is None for port in ports):
        warn(annotation_error(ORIGINATE_TLS, "has no effect, because no port speaks TLS"))
    return Service(
        meta.namespace,
        meta.name,
        ports,
        vips,
        headless,
        external,
        overrides.weight(meta.annotations, warn, "1"),
        meta.created,
        overrides.exported_to(meta.annotations, meta.namespace, warn),
        placed,
        called,
        tuple(index for index, item in enumerate(spec.each("ports")) if _protocol(item) is None),
        overrides.EXPORT_TO in meta.annotations,
        bool(spec.anything("selector")),
    )


def _external_name(spec: Fields) -> str:
    """The target of an ExternalName Service. Empty for every other type."""
    kind = spec.text("type", "ClusterIP")
    if kind not in _TYPES:
        raise spec.error("type", f'"{kind}" is not one of {", ".join(_TYPES)}')
    if kind != "ExternalName":
        return ""
    name = spec.required("externalName").lower().removesuffix(".")
    if not metadata.is_subdomain(name):
        raise spec.error("externalName", f'"{name}" is not a DNS name')
    return name


def cluster_ips(spec: Fields, warn: overrides.Warn) -> tuple[tuple[str, ...], bool]:
    """The virtual IPs, and whether the Service is headless."""
    listed = spec.texts("clusterIPs")
    values = listed or (spec.text("clusterIP"),)
    if "None" in values:
        return (), True
    vips: dict[str, None] = {}
    for index, value in enumerate(values):
        path: Path = (*spec.path, "clusterIPs", index) if listed else (*spec.path, "clusterIP")
        vip = canonical_address(value)
        why = never_virtual(vip)
        if why:
            warn(FieldError(path, f'"{value}" {why}; this virtual IP is left out'))
        elif value and not is_address(value):
            raise FieldError(path, f'"{value}" is neither an IP address nor None')
        vips |= {vip: None} if vip else {}
    return tuple(vips), False


def _ports(spec: Fields, required: bool, tls: UpstreamTls | None) -> tuple[Port, ...]:
    items = list(spec.each("ports"))
    if required and not items:
        raise spec.error("ports", "is required, except for a headless Service")
    ports: list[Port] = []
    for item in items:
        port = _port(item, tls)
        if len(items) > 1 and not port.name:
            raise item.error("name", "is required if a Service has several ports")
        if any(port.name == other.name for other in ports):
            raise item.error("name", f'"{port.name}" is already the name of another port')
        if any((port.number, port.transport) == (other.number, other.transport) for other in ports):
            raise item.error("port", f"{port.number} is declared twice for {port.transport.value}")
        ports.append(port)
    return tuple(ports)


def _port(item: Fields, tls: UpstreamTls | None) -> Port:
    name = item.text("name")
    if name and not _PORT_NAME.fullmatch(name):
        raise item.error("name", f'"{name}" is not a DNS label (letters, digits, -)')
    declared, protocol = number(item), _protocol(item) or Protocol.HTTP
    if tls is not None and protocol is Protocol.TLS:
        protocol = inside_tls(item.text("appProtocol"), name)
    else:
        tls = None
    return Port(name, declared, protocol, transport(item), _target(item, declared), tls)


def _protocol(item: Fields) -> Protocol | None:
    """The protocol that the port itself states."""
    return spoken(transport(item), item.text("appProtocol"), item.text("name"), item.integer("port") or 0)


def _target(item: Fields, declared: int) -> int | None:
    """The numeric targetPort. None for a name, which only the slices can resolve."""
    if isinstance(item.anything("targetPort"), str):
        name = item.text("targetPort")
        if name.isdigit():
            raise item.error("targetPort", f'"{name}" in quotes is a name; write a number without quotes')
        return None if name else declared
    # The API server treats 0 as absent.
    target = item.integer("targetPort") or declared
    if not 1 <= target <= 65_535:
        raise item.error("targetPort", f"{target} is not in 1..65535")
    return target
