"""The bootstrap that a sidecar's Envoy starts with: who it is, and how it finds and keeps the control plane.

JSON, never YAML: what a YAML writer leaves unquoted, such as a zone named `y`, Envoy would read as a boolean.

It is written as plain values in the order of Envoy's fields, because Envoy's messages take a second to
import. A test writes it with messages as well, and both give the same bytes.
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from typing import Any, TypeAlias

from pilothouse.mesh.audience import Node
from pilothouse.model.services import NOWHERE
from pilothouse.structures.hostport import HostPort

#: A message as JSON has it.
Message: TypeAlias = dict[str, Any]

# An expression of so many takes some 100 kB and never more time than its text is long (decision 0017).
_MOST_INSTRUCTIONS = 1_000

CONTROL_PLANE = "xds"
"""What the cluster of the control plane is called; no cluster of a service can be, see translate."""

_EXTENSIONS = "envoy.extensions."
RUNTIME_LAYER = "pilothouse"
"""What the control plane calls its layer, see translate/runtime."""


@dataclass(frozen=True, slots=True)
class Tls:
    """Names of files as the sidecar sees them: the CA of the control plane; its own certificate and key.

    The control plane's certificate must name `san`: a DNS name, an IP address or a URI; empty is
    the host of its address. Without a name to match, any certificate of that CA would do. Envoy
    reads these files when it starts: it watches only files that an SDS resource names.
    """

    ca: str
    cert: str = ""
    key: str = ""
    san: str = ""


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What sets one sidecar apart: who its node says it is, and where it finds the control plane.

    `cluster` is the name of its kind; Envoy wants one, though nothing here depends on it. With `runtime` it
    asks the control plane for values of its runtime.
    """

    node: Node
    cluster: str
    control_plane: HostPort
    sotw: bool = False
    admin_port: int = 19000
    tls: Tls | None = None
    runtime: bool = False


def bootstrap(sidecar: Sidecar) -> str:
    """The bootstrap as JSON that ends in a newline: the same sidecar gives the same bytes."""
    message = {
        "node": _node(sidecar),
        "static_resources": {"clusters": [_control_plane(sidecar)]},
        "dynamic_resources": {
            "lds_config": _from_ads(),
            "cds_config": _from_ads(),
            "ads_config": _ads(sidecar.sotw),
        },
        "layered_runtime": _runtime(sidecar.runtime),
        # The admin interface can end the process and shows all that it knows: for this machine only.
        "admin": {"address": _address(HostPort("127.0.0.1", sidecar.admin_port))},
    }
    return json.dumps(message, indent=2) + "\n"


def _runtime(asked: bool) -> Message:
    """More room for regular expressions, of which one that is too large costs a sidecar all of its routes.

    The control plane sends none of more than 100 instructions, Envoy's own limit, but versions of RE2 may
    count differently. The layer for the admin interface is the one that there is if nothing is said.
    """
    # As a float, since all numbers of a Struct are.
    larger = {"re2.max_program_size.error_level": float(_MOST_INSTRUCTIONS)}
    layer = {"name": RUNTIME_LAYER, "rtds_config": _from_ads()}
    return {
        "layers": [
            {"name": "pilothouse", "static_layer": larger},
            *([{"name": "rtds", "rtds_layer": layer}] if asked else []),
            {"name": "admin", "admin_layer": {}},
        ]
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
    """A short back-off: with the default one, a fleet needs half a minute to come back after an outage.

    The node goes into the first message only, because it is some 60 kB: Envoy lists its extensions.
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
    """LOGICAL_DNS keeps the last address when the name is gone, as it is just when one has to reconnect.

    With ALL families a name that also has an address where nobody listens works all the same. How
    often it is resolved again is left at Envoy's 5 s: those fields of Cluster are deprecated.
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
    """gRPC is HTTP/2; pings, since a peer that is gone without a word is otherwise never noticed."""
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
