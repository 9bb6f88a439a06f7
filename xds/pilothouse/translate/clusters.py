"""Cluster: how one port of a service is reached.

It never contains what changes often (weights, health, drains), because a changed cluster has to warm again.
"""

from __future__ import annotations

from functools import lru_cache

from pilothouse._pb.envoy.config.cluster.v3.cluster_pb2 import Cluster
from pilothouse._pb.envoy.config.core.v3.config_source_pb2 import ApiVersion, ConfigSource
from pilothouse._pb.envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions
from pilothouse.encoding.resources import checked
from pilothouse.model.policy import PLAIN, Balance, OutlierDetection
from pilothouse.model.services import Port, Protocol, ServiceSpec
from pilothouse.translate.names import asked_for, cluster_name, stat_name
from pilothouse.translate.policies import apply_policy, for_grpc, outlier_detection
from pilothouse.translate.subsets import divide
from pilothouse.translate.tls import tls_to

_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_CONNECT_TIMEOUT_S = 2


def cluster(spec: ServiceSpec, port: Port) -> Cluster:
    """An EDS cluster. Its load assignment has the same name."""
    message = Cluster()
    message.CopyFrom(_HTTP2_TEMPLATE if port.protocol.multiplexed else _TEMPLATE)
    message.name = cluster_name(spec, port)
    message.alt_stat_name = stat_name(spec, port)
    if port.tls is not None:
        message.transport_socket.CopyFrom(tls_to(port.tls.server_name or asked_for(spec), port.tls.ca))
    if port.protocol is Protocol.HTTPS:
        _by_alpn(message)
    if spec.policy is not PLAIN:
        apply_policy(message, spec, port)
    divide(message, spec)
    return message


def is_plain(spec: ServiceSpec) -> bool:
    """Whether its clusters are like those of most services, so that `plain_cluster` can encode them."""
    if spec.headless or spec.hosts is not None or spec.policy != PLAIN:
        return False
    return all(port.tls is None for port in spec.ports)


def plain_cluster(spec: ServiceSpec, port: Port) -> bytes:
    """The encoding of `cluster` for a plain service. Only the names differ from service to service."""
    names = Cluster(name=cluster_name(spec, port), alt_stat_name=stat_name(spec, port))
    return checked(names) + _beside_names(port.protocol.multiplexed)


@lru_cache
def _beside_names(multiplexed: bool) -> bytes:
    message = Cluster(name="any")
    message.MergeFrom(_HTTP2_TEMPLATE if multiplexed else _TEMPLATE)
    checked(message)
    message.ClearField("name")
    return message.SerializeToString(deterministic=True)


def grpc_cluster(message: Cluster, balance: Balance) -> Cluster | None:
    """The cluster for gRPC clients, if they would refuse this one. None if they accept it."""
    known = balance in (Balance.ROUND_ROBIN, Balance.RING_HASH)
    if known and not message.HasField("transport_socket"):
        return None
    other = Cluster()
    other.CopyFrom(message)
    for_grpc(other, balance)
    return other


def ads() -> ConfigSource:
    """The source is the same ADS stream. Envoy refuses any other resource_api_version."""
    source = ConfigSource(resource_api_version=ApiVersion.V3)
    source.ads.SetInParent()
    return source


def _template(multiplexed: bool) -> Cluster:
    message = Cluster(type=Cluster.EDS, lb_policy=Cluster.ROUND_ROBIN, ignore_health_on_host_removal=True)
    message.eds_cluster_config.eds_config.CopyFrom(ads())
    message.connect_timeout.seconds = _CONNECT_TIMEOUT_S
    # Unready endpoints are sent, so that Envoy sees the lost capacity. With its default panic threshold of 50
    # %, it would also send them traffic.
    message.common_lb_config.healthy_panic_threshold.value = 0
    # Without this, Envoy ignores the weights of localities.
    message.common_lb_config.locality_weighted_lb_config.SetInParent()
    # Envoy's default of 3 concurrent retries for a whole cluster silently disables retries under load.
    message.circuit_breakers.thresholds.add().max_retries.value = 1024
    message.outlier_detection.CopyFrom(outlier_detection(OutlierDetection()))
    if multiplexed:
        options = HttpProtocolOptions()
        options.explicit_http_config.http2_protocol_options.SetInParent()
        message.typed_extension_protocol_options[_HTTP_OPTIONS].Pack(options)
    return message


def _by_alpn(message: Cluster) -> None:
    """Let each endpoint choose HTTP/2 or HTTP/1.1 in the TLS handshake (ALPN)."""
    options = HttpProtocolOptions()
    options.auto_config.SetInParent()
    message.typed_extension_protocol_options[_HTTP_OPTIONS].Pack(options)


_TEMPLATE = _template(multiplexed=False)
_HTTP2_TEMPLATE = _template(multiplexed=True)
