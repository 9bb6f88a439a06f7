"""Applies a service's policy to its clusters."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.duration_pb2 import Duration
from google.protobuf.wrappers_pb2 import UInt32Value

from pilothouse._pb.envoy.config.cluster.v3.cluster_pb2 import Cluster
from pilothouse._pb.envoy.config.cluster.v3.outlier_detection_pb2 import OutlierDetection
from pilothouse._pb.envoy.config.core.v3.health_check_pb2 import HealthCheck
from pilothouse._pb.envoy.type.v3.http_pb2 import CodecClientType
from pilothouse.model import policy as said
from pilothouse.model.policy import Balance, CircuitBreaking, Keepalive, SlowStart
from pilothouse.model.services import Port, ServiceSpec
from pilothouse.translate.names import asked_for

_POLICIES: Mapping[Balance, Cluster.LbPolicy] = {
    Balance.ROUND_ROBIN: Cluster.ROUND_ROBIN,
    Balance.LEAST_REQUEST: Cluster.LEAST_REQUEST,
    Balance.RANDOM: Cluster.RANDOM,
    Balance.RING_HASH: Cluster.RING_HASH,
    Balance.MAGLEV: Cluster.MAGLEV,
}


def apply_policy(cluster: Cluster, spec: ServiceSpec, port: Port) -> None:
    """Change a cluster according to the policy of its service."""
    policy = spec.policy
    cluster.lb_policy = _POLICIES[policy.balance]
    if policy.circuit_breaking is not None:
        _limit(cluster, policy.circuit_breaking)
    if policy.outliers == "off":
        cluster.ClearField("outlier_detection")
    elif policy.outliers is not None:
        cluster.outlier_detection.CopyFrom(outlier_detection(policy.outliers))
    if policy.health_check is not None:
        cluster.health_checks.append(_health_check(policy.health_check, spec, port))
    if policy.slow_start is not None:
        _start_slowly(cluster, policy.slow_start, policy.balance)
    if policy.keepalive is not None:
        _keep_alive(cluster, policy.keepalive)
    if policy.connect_timeout_ms is not None:
        cluster.connect_timeout.FromMilliseconds(policy.connect_timeout_ms)


def for_grpc(cluster: Cluster, balance: Balance) -> None:
    """Change a cluster so that gRPC clients accept it.

    gRPC supports two load-balancing policies and refuses clusters with another (gRFC A27, A42). It takes
    certificates from its bootstrap only and refuses files (gRFC A29). The credentials of the client's channel
    decide whether it uses TLS.
    """
    cluster.lb_policy = Cluster.RING_HASH if balance.by_hash else Cluster.ROUND_ROBIN
    cluster.ClearField("least_request_lb_config")
    cluster.ClearField("transport_socket")


def outlier_detection(outliers: said.OutlierDetection) -> OutlierDetection:
    """Outlier detection with every threshold stated, because Envoy's defaults eject for further reasons."""
    message = OutlierDetection(interval=_duration(outliers.interval_ms))
    message.base_ejection_time.CopyFrom(_duration(outliers.base_ejection_ms))
    message.max_ejection_percent.value = outliers.max_ejection_percent
    message.consecutive_5xx.value = outliers.consecutive_5xx or 5
    message.enforcing_consecutive_5xx.value = 100 if outliers.consecutive_5xx else 0
    message.consecutive_gateway_failure.value = outliers.consecutive_gateway_failures or 5
    message.enforcing_consecutive_gateway_failure.value = 100 if outliers.consecutive_gateway_failures else 0
    message.enforcing_success_rate.value = 0
    return message


def _limit(cluster: Cluster, limits: CircuitBreaking) -> None:
    thresholds = cluster.circuit_breakers.thresholds[0]
    for field, value in limits._asdict().items():
        if value is not None:
            getattr(thresholds, field).value = value


def _health_check(check: said.HealthCheck, spec: ServiceSpec, port: Port) -> HealthCheck:
    """A health check that the port can answer: a TCP connect if the port speaks another protocol."""
    message = HealthCheck(
        timeout=_duration(check.timeout_ms),
        interval=_duration(check.interval_ms),
        # Envoy's default of 60 s without traffic would notice a failure, or its end, that late.
        no_traffic_interval=_duration(check.interval_ms),
        unhealthy_threshold=UInt32Value(value=check.unhealthy),
        healthy_threshold=UInt32Value(value=check.healthy),
    )
    if check.protocol == "grpc" and port.protocol.multiplexed:
        message.grpc_health_check.service_name = check.asks_for
        message.grpc_health_check.authority = asked_for(spec)
    elif check.protocol == "http" and port.protocol.by_host:
        message.http_health_check.path = check.asks_for
        message.http_health_check.host = asked_for(spec)
        if port.protocol.multiplexed:
            message.http_health_check.codec_client_type = CodecClientType.HTTP2
    else:
        message.tcp_health_check.SetInParent()
    return message


def _start_slowly(cluster: Cluster, slow: SlowStart, balance: Balance) -> None:
    by_requests = balance is Balance.LEAST_REQUEST
    config = cluster.least_request_lb_config if by_requests else cluster.round_robin_lb_config
    config.slow_start_config.slow_start_window.FromMilliseconds(slow.window_ms)
    if slow.min_weight_percent is not None:
        config.slow_start_config.min_weight_percent.value = slow.min_weight_percent


def _keep_alive(cluster: Cluster, keepalive: Keepalive) -> None:
    message = cluster.upstream_connection_options.tcp_keepalive
    if keepalive.time_ms is not None:
        message.keepalive_time.value = keepalive.time_ms // 1000
    if keepalive.interval_ms is not None:
        message.keepalive_interval.value = keepalive.interval_ms // 1000
    if keepalive.probes is not None:
        message.keepalive_probes.value = keepalive.probes


def _duration(milliseconds: int) -> Duration:
    found = Duration()
    found.FromMilliseconds(milliseconds)
    return found
