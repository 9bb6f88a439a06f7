"""The bootstrap of a sidecar once more, in Envoy's messages as envoy-data-plane has them.

They know what each field is called, of which type it is and where it belongs; `pilothouse.sidecar.bootstrap`
has to give the same bytes.
"""

from __future__ import annotations

import ipaddress
import json
from datetime import timedelta

import betterproto2
from envoy_data_plane.envoy.config.bootstrap import v3 as envoy
from envoy_data_plane.envoy.config.cluster import v3 as cluster
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.config.endpoint import v3 as endpoint
from envoy_data_plane.envoy.config.listener import v3 as listener
from envoy_data_plane.envoy.config.route import v3 as route
from envoy_data_plane.envoy.extensions.filters.http.health_check import v3 as health_check
from envoy_data_plane.envoy.extensions.filters.http.router import v3 as router
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm
from envoy_data_plane.envoy.extensions.transport_sockets.tls import v3 as tls
from envoy_data_plane.envoy.extensions.upstreams.http import v3 as http
from envoy_data_plane.envoy.type.matcher import v3 as matcher
from envoy_data_plane.google import protobuf

from pilothouse.model.services import NOWHERE
from pilothouse.sidecar.bootstrap import CONTROL_PLANE, READY, Sidecar, Tls
from pilothouse.structures.hostport import HostPort

_MOST_INSTRUCTIONS = 1_000


def bootstrap(sidecar: Sidecar) -> str:
    """The bootstrap as JSON that ends in a newline: the same sidecar gives the same bytes."""
    message = envoy.Bootstrap(
        node=_node(sidecar),
        admin=envoy.Admin(address=_address(HostPort("127.0.0.1", sidecar.admin_port))),
        dynamic_resources=envoy.BootstrapDynamicResources(
            ads_config=_ads(sidecar.sotw), cds_config=_from_ads(), lds_config=_from_ads()
        ),
        static_resources=envoy.BootstrapStaticResources(
            listeners=[_ready(sidecar.ready)] if sidecar.ready else [], clusters=[_control_plane(sidecar)]
        ),
        layered_runtime=_runtime(),
    )
    return json.dumps(message.to_dict(casing=betterproto2.Casing.SNAKE), indent=2) + "\n"


def _runtime() -> envoy.LayeredRuntime:
    larger = protobuf.Struct.from_dict({"re2.max_program_size.error_level": _MOST_INSTRUCTIONS})
    return envoy.LayeredRuntime(
        layers=[
            envoy.RuntimeLayer(name="pilothouse", static_layer=larger),
            envoy.RuntimeLayer(name="admin", admin_layer=envoy.RuntimeLayerAdminLayer()),
        ]
    )


def _ready(place: HostPort) -> listener.Listener:
    path = route.HeaderMatcher(name=":path", string_match=matcher.StringMatcher(exact="/ready"))
    check = health_check.HealthCheck(pass_through_mode=False, headers=[path])
    manager = hcm.HttpConnectionManager(
        stat_prefix=READY,
        route_config=route.RouteConfiguration(name=READY),
        http_filters=[
            hcm.HttpFilter(name="envoy.filters.http.health_check", typed_config=protobuf.Any.pack(check)),
            hcm.HttpFilter(name="envoy.filters.http.router", typed_config=protobuf.Any.pack(router.Router())),
        ],
    )
    found = listener.Filter(
        name="envoy.filters.network.http_connection_manager", typed_config=protobuf.Any.pack(manager)
    )
    return listener.Listener(
        name=READY, address=_address(place), filter_chains=[listener.FilterChain(filters=[found])]
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
