"""The bootstrap of a sidecar's Envoy: who the sidecar is, and how it finds the control plane.

It is JSON, never YAML: a YAML writer leaves a zone named `y` unquoted, and Envoy would read it as a boolean.

It is written as plain values in the order of Envoy's fields, because importing Envoy's messages takes a
second. A test also writes it with these messages, and both give the same bytes.
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from typing import Any, TypeAlias

from pilothouse.mesh.audience import Node
from pilothouse.model.services import NOWHERE
from pilothouse.structures.hostport import HostPort

#: A message in its JSON form.
Message: TypeAlias = dict[str, Any]

# An expression of this size takes about 100 kB and linear time (decision 0017).
_MOST_INSTRUCTIONS = 1_000

CONTROL_PLANE = "xds"
"""What the cluster of the control plane is called; no cluster of a service can be, see translate."""

READY = "ready"
"""What the listener for probes is called; none of the control plane's can be."""

_EXTENSIONS = "envoy.extensions."
_NETWORK = "filters.network"
RUNTIME_LAYER = "pilothouse"
"""What the control plane calls its layer, see translate/runtime."""


@dataclass(frozen=True, slots=True)
class Tls:
    """File names as the sidecar sees them: the CA of the control plane, and the sidecar's own certificate and
    key.

    The control plane's certificate must contain `san`: a DNS name, an IP address or a URI. Empty means the
    host of its address. Without a name to match, any certificate of that CA would do. Envoy reads these files
    when it starts: it watches only files that an SDS resource names.
    """

    ca: str
    cert: str = ""
    key: str = ""
    san: str = ""


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What differs between sidecars: the node, and where the control plane is.

    `cluster` is Envoy's service cluster. Envoy requires one, although nothing here depends on it. With
    `runtime`, the sidecar gets runtime values from the control plane. At `ready`, it answers GET /ready with
    200 once it has a complete configuration.
    """

    node: Node
    cluster: str
    control_plane: HostPort
    sotw: bool = False
    admin_port: int = 19000
    tls: Tls | None = None
    runtime: bool = False
    ready: HostPort | None = None


def bootstrap(sidecar: Sidecar) -> str:
    """The bootstrap as JSON with a newline at its end. The same sidecar always gives the same bytes."""
    message = {
        "node": _node(sidecar),
        "static_resources": {
            **({"listeners": [_ready(sidecar.ready)]} if sidecar.ready else {}),
            "clusters": [_control_plane(sidecar)],
        },
        "dynamic_resources": {
            "lds_config": _from_ads(),
            "cds_config": _from_ads(),
            "ads_config": _ads(sidecar.sotw),
        },
        "layered_runtime": _runtime(sidecar.runtime),
        # The admin interface can end the process and shows everything, so it listens on this machine only.
        "admin": {"address": _address(HostPort("127.0.0.1", sidecar.admin_port))},
    }
    return json.dumps(message, indent=2) + "\n"


def _runtime(asked: bool) -> Message:
    """Raises the limit for regular expressions, because one that is too large costs a sidecar all of its
    routes.

    The control plane sends no expression of more than 100 instructions, which is Envoy's own limit. But
    versions of RE2 may count differently. The layer for the admin interface is Envoy's default and has to be
    repeated here.
    """
    # as a float, because all numbers in a Struct are floats
    larger = {"re2.max_program_size.error_level": float(_MOST_INSTRUCTIONS)}
    layer = {"name": RUNTIME_LAYER, "rtds_config": _from_ads()}
    return {
        "layers": [
            {"name": "pilothouse", "static_layer": larger},
            *([{"name": "rtds", "rtds_layer": layer}] if asked else []),
            {"name": "admin", "admin_layer": {}},
        ]
    }


def _ready(place: HostPort) -> Message:
    """Where a kubelet asks whether Envoy is ready: Envoy opens no listener before it has its configuration.

    The admin interface cannot be asked: it is for this machine only.
    """
    header = {"name": ":path", "string_match": {"exact": "/ready"}}
    check = {"pass_through_mode": False, "headers": [header]}
    filters = [
        {
            "name": "envoy.filters.http.health_check",
            "typed_config": _any("filters.http.health_check.v3.HealthCheck", check),
        },
        {"name": "envoy.filters.http.router", "typed_config": _any("filters.http.router.v3.Router", {})},
    ]
    manager = {"stat_prefix": READY, "route_config": {"name": READY}, "http_filters": filters}
    manager = _any(f"{_NETWORK}.http_connection_manager.v3.HttpConnectionManager", manager)
    return {
        "name": READY,
        "address": _address(place),
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }


def _node(sidecar: Sidecar) -> Message:
    node: Message = {
        "id": sidecar.node.id,
        "cluster": sidecar.cluster,
        "metadata": dict(sidecar.node.metadata),
    }
    where = sidecar.node.locality
    if where != NOWHERE:
        parts = {"region": where.region, "zone": where.zone, "sub_zone": where.sub_zone}
        node["locality"] = {name: part for name, part in parts.items() if part}
    return node


def _ads(sotw: bool) -> Message:
    """Sets a short back-off. With the default, a fleet needs half a minute to come back after an outage.

    Only the first message contains the node, because the node takes about 60 kB: Envoy lists its extensions.
    """
    wait = {"base_interval": "0.200s", "max_interval": "2s"}
    channel = {"cluster_name": CONTROL_PLANE, "retry_policy": {"retry_back_off": wait}}
    return {
        "api_type": "GRPC" if sotw else "DELTA_GRPC",
        "transport_api_version": "V3",
        "grpc_services": [{"envoy_grpc": channel}],
        "set_node_on_first_message_only": True,
    }


def _from_ads() -> Message:
    return {"ads": {}, "resource_api_version": "V3"}


def _control_plane(sidecar: Sidecar) -> Message:
    """LOGICAL_DNS keeps the last address if the name can no longer be resolved, as during an outage.

    With ALL families, the name may also have an address at which nothing listens. The interval between
    resolutions stays at Envoy's 5 s, because those fields of Cluster are deprecated.
    """
    by_name = not _is_ip(sidecar.control_plane.host)
    place = {"endpoint": {"address": _address(sidecar.control_plane)}}
    return {
        "name": CONTROL_PLANE,
        "type": "LOGICAL_DNS" if by_name else "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": CONTROL_PLANE, "endpoints": [{"lb_endpoints": [place]}]},
        "typed_extension_protocol_options": {f"{_EXTENSIONS}upstreams.http.v3.HttpProtocolOptions": _http2()},
        **({"dns_lookup_family": "ALL"} if by_name else {}),
        **({"transport_socket": _transport(sidecar.tls, sidecar.control_plane.host)} if sidecar.tls else {}),
    }


def _http2() -> Message:
    """gRPC needs HTTP/2. Pings find a peer that has disappeared silently."""
    keepalive = {"interval": "30s", "timeout": "5s"}
    explicit = {"http2_protocol_options": {"connection_keepalive": keepalive}}
    return _any("upstreams.http.v3.HttpProtocolOptions", {"explicit_http_config": explicit})


def _transport(files: Tls, host: str) -> Message:
    identity = {"certificate_chain": _file(files.cert), "private_key": _file(files.key)}
    validation = {
        "trusted_ca": _file(files.ca),
        "match_typed_subject_alt_names": [_san(files.san or host)],
    }
    context = {
        "common_tls_context": {
            **({"tls_certificates": [identity]} if files.cert else {}),
            "validation_context": validation,
            "alpn_protocols": ["h2"],
        },
        **({} if _is_ip(host) else {"sni": host}),
    }
    packed = _any("transport_sockets.tls.v3.UpstreamTlsContext", context)
    return {"name": "envoy.transport_sockets.tls", "typed_config": packed}


def _san(name: str) -> Message:
    kind = "DNS"
    if "://" in name:
        kind = "URI"
    elif _is_ip(name):
        kind = "IP_ADDRESS"
    return {"san_type": kind, "matcher": {"exact": name}}


def _any(name: str, content: Message) -> Message:
    return {"@type": f"type.googleapis.com/{_EXTENSIONS}{name}", **content}


def _file(name: str) -> Message:
    return {"filename": name}


def _address(place: HostPort) -> Message:
    return {"socket_address": {"address": place.host, "port_value": place.port}}


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
