"""The bootstrap that a sidecar's Envoy starts with: who it is, and how it finds and keeps the control plane.

JSON, never YAML: what a YAML writer leaves unquoted, such as a zone named `y`, Envoy would read as a boolean.
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from datetime import timedelta

import betterproto2
from envoy_data_plane.envoy.config.bootstrap import v3 as envoy
from envoy_data_plane.envoy.config.cluster import v3 as cluster
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.config.endpoint import v3 as endpoint
from envoy_data_plane.envoy.extensions.transport_sockets.tls import v3 as tls
from envoy_data_plane.envoy.extensions.upstreams.http import v3 as http
from envoy_data_plane.envoy.type.matcher import v3 as matcher
from envoy_data_plane.google import protobuf

from pilothouse.config.settings import HostPort
from pilothouse.mesh.audience import Node
from pilothouse.model.services import NOWHERE

# An expression of so many takes some 100 kB and never more time than its text is long (decision 0017).
_MOST_INSTRUCTIONS = 1_000

CONTROL_PLANE = "xds"
"""What the cluster of the control plane is called; no cluster of a service can be, see translate."""

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
    message = envoy.Bootstrap(
        node=_node(sidecar),
        # The admin interface can end the process and shows all that it knows: for this machine only.
        admin=envoy.Admin(address=_address(HostPort("127.0.0.1", sidecar.admin_port))),
        dynamic_resources=envoy.BootstrapDynamicResources(
            ads_config=_ads(sidecar.sotw), cds_config=_from_ads(), lds_config=_from_ads()
        ),
        static_resources=envoy.BootstrapStaticResources(clusters=[_control_plane(sidecar)]),
        layered_runtime=_runtime(sidecar.runtime),
    )
    return json.dumps(message.to_dict(casing=betterproto2.Casing.SNAKE), indent=2) + "\n"


def _runtime(asked: bool) -> envoy.LayeredRuntime:
    """More room for regular expressions, of which one that is too large costs a sidecar all of its routes.

    The control plane sends none of more than 100 instructions, Envoy's own limit, but versions of RE2 may
    count differently. The layer for the admin interface is the one that there is if nothing is said.
    """
    larger = protobuf.Struct.from_dict({"re2.max_program_size.error_level": _MOST_INSTRUCTIONS})
    layer = envoy.RuntimeLayerRtdsLayer(name=RUNTIME_LAYER, rtds_config=_from_ads())
    return envoy.LayeredRuntime(
        layers=[
            envoy.RuntimeLayer(name="pilothouse", static_layer=larger),
            *([envoy.RuntimeLayer(name="rtds", rtds_layer=layer)] if asked else []),
            envoy.RuntimeLayer(name="admin", admin_layer=envoy.RuntimeLayerAdminLayer()),
        ]
    )


def _node(sidecar: Sidecar) -> core.Node:
    where = sidecar.node.locality
    known = core.Locality(region=where.region, zone=where.zone, sub_zone=where.sub_zone)
    return core.Node(
        id=sidecar.node.id,
        cluster=sidecar.cluster,
        locality=None if where == NOWHERE else known,
        metadata=protobuf.Struct.from_dict(sidecar.node.metadata),
    )


def _ads(sotw: bool) -> core.ApiConfigSource:
    """A short back-off: with the default one, a fleet needs half a minute to come back after an outage.

    The node goes into the first message only, because it is some 60 kB: Envoy lists its extensions.
    """
    api = core.ApiConfigSourceApiType
    wait = core.BackoffStrategy(base_interval=timedelta(seconds=0.2), max_interval=timedelta(seconds=2))
    return core.ApiConfigSource(
        api_type=api.GRPC if sotw else api.DELTA_GRPC,
        transport_api_version=core.ApiVersion.V3,
        set_node_on_first_message_only=True,
        grpc_services=[
            core.GrpcService(
                envoy_grpc=core.GrpcServiceEnvoyGrpc(
                    cluster_name=CONTROL_PLANE, retry_policy=core.RetryPolicy(retry_back_off=wait)
                )
            )
        ],
    )


def _from_ads() -> core.ConfigSource:
    return core.ConfigSource(ads=core.AggregatedConfigSource(), resource_api_version=core.ApiVersion.V3)


def _control_plane(sidecar: Sidecar) -> cluster.Cluster:
    """LOGICAL_DNS keeps the last address when the name is gone, as it is just when one has to reconnect.

    With ALL families a name that also has an address where nobody listens works all the same. How
    often it is resolved again is left at Envoy's 5 s: those fields of Cluster are deprecated.
    """
    place = endpoint.Endpoint(address=_address(sidecar.control_plane))
    kind = cluster.ClusterDiscoveryType
    by_name = not _is_ip(sidecar.control_plane.host)
    return cluster.Cluster(
        name=CONTROL_PLANE,
        type=kind.LOGICAL_DNS if by_name else kind.STATIC,
        dns_lookup_family=cluster.ClusterDnsLookupFamily.ALL
        if by_name
        else cluster.ClusterDnsLookupFamily.AUTO,
        connect_timeout=timedelta(seconds=1),
        load_assignment=endpoint.ClusterLoadAssignment(
            cluster_name=CONTROL_PLANE,
            endpoints=[endpoint.LocalityLbEndpoints(lb_endpoints=[endpoint.LbEndpoint(endpoint=place)])],
        ),
        typed_extension_protocol_options={"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": _http2()},
        transport_socket=_transport(sidecar.tls, sidecar.control_plane.host) if sidecar.tls else None,
    )


def _http2() -> protobuf.Any:
    """gRPC is HTTP/2; pings, since a peer that is gone without a word is otherwise never noticed."""
    keepalive = core.KeepaliveSettings(interval=timedelta(seconds=30), timeout=timedelta(seconds=5))
    options = core.Http2ProtocolOptions(connection_keepalive=keepalive)
    explicit = http.HttpProtocolOptionsExplicitHttpConfig(http2_protocol_options=options)
    return protobuf.Any.pack(http.HttpProtocolOptions(explicit_http_config=explicit))


def _transport(files: Tls, host: str) -> core.TransportSocket:
    identity = tls.TlsCertificate(certificate_chain=_file(files.cert), private_key=_file(files.key))
    context = tls.UpstreamTlsContext(
        sni="" if _is_ip(host) else host,
        common_tls_context=tls.CommonTlsContext(
            alpn_protocols=["h2"],
            tls_certificates=[identity] if files.cert else [],
            validation_context=tls.CertificateValidationContext(
                trusted_ca=_file(files.ca), match_typed_subject_alt_names=[_san(files.san or host)]
            ),
        ),
    )
    return core.TransportSocket(name="envoy.transport_sockets.tls", typed_config=protobuf.Any.pack(context))


def _san(name: str) -> tls.SubjectAltNameMatcher:
    kind = tls.SubjectAltNameMatcherSanType.DNS
    if "://" in name:
        kind = tls.SubjectAltNameMatcherSanType.URI
    elif _is_ip(name):
        kind = tls.SubjectAltNameMatcherSanType.IP_ADDRESS
    return tls.SubjectAltNameMatcher(san_type=kind, matcher=matcher.StringMatcher(exact=name))


def _file(name: str) -> core.DataSource:
    return core.DataSource(filename=name)


def _address(place: HostPort) -> core.Address:
    return core.Address(socket_address=core.SocketAddress(address=place.host, port_value=place.port))


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
