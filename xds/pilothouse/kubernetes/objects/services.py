"""Reads a `v1 Service`, and a ServiceImport of the MCS API, which says the same about a cluster set."""

from __future__ import annotations

import re
from collections.abc import Mapping
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

_HEADLESS = "Headless"
_IMPORT_TYPES = ("ClusterSetIP", _HEADLESS)
_TYPES = ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName")
# The API server demands lower case. Here any case will do, as in the comparison of the words in these names.
_PORT_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII | re.IGNORECASE)


def service(document: Fields, warn: overrides.Warn) -> Service:
    """Read a Service. Raises FieldError if the API server would refuse it."""
    meta, spec = _begin(document)
    external = _external_name(spec)
    vips, headless = ((), False) if external else cluster_ips(spec, warn)
    if not (external or headless or any(spec.each("ports"))):
        raise spec.error("ports", "is required, except for a headless Service")
    return _service(meta, spec, warn, vips=vips, headless=headless, external_name=external)


def service_import(document: Fields, warn: overrides.Warn) -> Service:
    """Read a ServiceImport. Raises FieldError if the API server would refuse it."""
    meta, spec = _begin(document)
    for field in ("type", "ports"):
        if field not in spec:
            raise spec.error(field, "is required")
    kind = spec.text("type")
    if kind not in _IMPORT_TYPES:
        raise spec.error("type", f'"{kind}" is not one of {", ".join(_IMPORT_TYPES)}')
    headless = kind == _HEADLESS
    vips = () if headless else _listed_ips(spec, "ips", warn)
    return replace(_service(meta, spec, warn, vips=vips, headless=headless), imported=True)


def _begin(document: Fields) -> tuple[metadata.Meta, Fields]:
    meta = metadata.namespaced(document)
    if not metadata.is_label(meta.name):
        message = f'"{meta.name}" is not a DNS label (no dots, at most 63 characters)'
        raise document.at("metadata").error("name", message)
    if "spec" not in document:
        raise document.error("spec", "is required")
    return meta, document.at("spec")


def _service(  # noqa: PLR0913  (what the two kinds say in different words)
    meta: metadata.Meta,
    spec: Fields,
    warn: overrides.Warn,
    *,
    vips: tuple[str, ...],
    headless: bool,
    external_name: str = "",
) -> Service:
    placed = placement(spec, meta.annotations, warn)
    called = policy(placed.sticky, meta.annotations, warn)
    if called.hash_on == CLIENT and not placed.sticky:
        placed = replace(placed, sticky=True)
    tls = upstream_tls(meta.annotations, warn)
    ports = _ports(spec, tls)
    if tls is not None and all(port.tls is None for port in ports):
        warn(annotation_error(ORIGINATE_TLS, "has no effect, because no port speaks TLS"))
    return Service(
        meta.namespace,
        meta.name,
        ports,
        vips,
        headless,
        external_name,
        overrides.weight(meta.annotations, warn, "1"),
        meta.created,
        overrides.exported_to(meta.annotations, meta.namespace, warn),
        placed,
        called,
        tuple(index for index, item in enumerate(spec.each("ports")) if _protocol(item) is None),
        overrides.EXPORT_TO in meta.annotations,
        bool(spec.anything("selector")),
        addressable=overrides.addressable(meta.annotations, warn),
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
    # An API server takes longer labels. But no DNS message can have them (RFC 1035, 2.3.4).
    if any(len(label) > 63 for label in name.split(".")):
        raise spec.error("externalName", f'"{name}" has a label of more than 63 characters')
    return name


def cluster_ips(spec: Fields, warn: overrides.Warn) -> tuple[tuple[str, ...], bool]:
    """The virtual IPs, and whether the Service is headless."""
    listed = spec.texts("clusterIPs")
    if "None" in (listed or (spec.text("clusterIP"),)):
        return (), True
    if listed:
        return _listed_ips(spec, "clusterIPs", warn), False
    return _virtual_ips({(*spec.path, "clusterIP"): spec.text("clusterIP")}, warn), False


def _listed_ips(spec: Fields, field: str, warn: overrides.Warn) -> tuple[str, ...]:
    return _virtual_ips(
        {(*spec.path, field, index): each for index, each in enumerate(spec.texts(field))}, warn
    )


def _virtual_ips(stated: Mapping[Path, str], warn: overrides.Warn) -> tuple[str, ...]:
    """Those of the addresses, by the field that states each, that can be virtual IPs."""
    vips: dict[str, None] = {}
    for path, value in stated.items():
        vip = canonical_address(value)
        why = never_virtual(vip)
        if why:
            warn(FieldError(path, f'"{value}" {why}; this virtual IP is left out'))
        elif value and not is_address(value):
            raise FieldError(path, f'"{value}" is neither an IP address nor None')
        vips |= {vip: None} if vip else {}
    return tuple(vips)


def _ports(spec: Fields, tls: UpstreamTls | None) -> tuple[Port, ...]:
    items = list(spec.each("ports"))
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
