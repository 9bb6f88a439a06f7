"""What a policy makes of clusters, routes and listeners."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pilothouse._pb.envoy.config.cluster.v3.cluster_pb2 import Cluster
from pilothouse._pb.envoy.config.route.v3.route_components_pb2 import Route
from pilothouse._pb.envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from pilothouse.encoding.rules import check
from pilothouse.mesh.claims import Resolved
from pilothouse.model.policy import (
    CLIENT,
    PLAIN,
    Balance,
    HashOn,
    HealthCheck,
    OutlierDetection,
    Policy,
    SlowStart,
)
from pilothouse.model.services import Port, Protocol, ServiceName, ServiceSpec
from pilothouse.translate.clusters import cluster, grpc_cluster, is_plain, plain_cluster
from pilothouse.translate.connection_manager import encoded_to_cluster, to_cluster
from pilothouse.translate.hashing import hash_by
from pilothouse.translate.listeners import vip_listener

HTTP, GRPC, TCP = Port("http", 80), Port("grpc", 90, Protocol.GRPC), Port("db", 5432, Protocol.TCP)
SPEC = ServiceSpec(ServiceName("shop", "p"), (HTTP, GRPC, TCP))


def alone(policy: Policy) -> Resolved:
    spec = replace(SPEC, policy=policy)
    return Resolved(spec, spec)


def made(policy: Policy, port: Port = HTTP) -> Cluster:
    message = cluster(replace(SPEC, policy=policy), port)
    check(message)
    return message


def test_a_gateway_failure_ejects_by_default_and_an_error_of_the_application_does_not() -> None:
    found = made(PLAIN).outlier_detection
    assert found.consecutive_gateway_failure.value == 5
    assert found.enforcing_consecutive_gateway_failure.value == 100
    assert found.enforcing_consecutive_5xx.value == found.enforcing_success_rate.value == 0
    assert found.HasField("enforcing_consecutive_5xx")
    assert found.HasField("enforcing_success_rate")
    assert (found.base_ejection_time.seconds, found.max_ejection_percent.value) == (30, 50)


@pytest.mark.parametrize("port", [HTTP, GRPC, TCP])
def test_a_plain_cluster_is_encoded_as_the_message_is(port: Port) -> None:
    assert is_plain(SPEC)
    assert Cluster.FromString(plain_cluster(SPEC, port)) == cluster(SPEC, port)
    for other in ({"headless": True}, {"hosts": ()}, {"policy": Policy(outliers="off")}):
        assert not is_plain(replace(SPEC, **other))


def test_outlier_detection_is_turned_off_or_set() -> None:
    assert not made(Policy(outliers="off")).HasField("outlier_detection")
    found = made(Policy(outliers=OutlierDetection(3, 0))).outlier_detection
    assert (found.consecutive_5xx.value, found.enforcing_consecutive_5xx.value) == (3, 100)
    assert found.enforcing_consecutive_gateway_failure.value == 0


def test_an_external_name_is_checked_by_its_own_name() -> None:
    kind: Any
    for kind, port in (("http", HTTP), ("grpc", GRPC)):
        policy = Policy(health_check=HealthCheck(kind, "/healthz" if kind == "http" else ""))
        spec = replace(SPEC, policy=policy, external_name="api.example.com")
        (found,) = cluster(spec, port).health_checks
        said = found.http_health_check.host if kind == "http" else found.grpc_health_check.authority
        assert said == "api.example.com", kind


@pytest.mark.parametrize("balance", Balance)
def test_every_balance_keeps_what_all_clusters_have(balance: Balance) -> None:
    found = made(Policy(balance, CLIENT if balance.by_hash else None))
    assert found.lb_policy == Cluster.LbPolicy.Value(balance.name)
    assert found.common_lb_config.HasField("locality_weighted_lb_config")
    assert found.common_lb_config.healthy_panic_threshold.value == 0
    assert found.ignore_health_on_host_removal
    assert found.circuit_breakers.thresholds[0].max_retries.value == 1024


@pytest.mark.parametrize(
    ("balance", "wanted"),
    [
        (Balance.ROUND_ROBIN, None),
        (Balance.RING_HASH, None),
        (Balance.MAGLEV, "RING_HASH"),
        (Balance.LEAST_REQUEST, "ROUND_ROBIN"),
        (Balance.RANDOM, "ROUND_ROBIN"),
    ],
)
def test_a_grpc_client_gets_one_of_the_two_that_it_knows(balance: Balance, wanted: str | None) -> None:
    slow = SlowStart(1_000) if balance is Balance.LEAST_REQUEST else None
    message = made(Policy(balance, slow_start=slow))
    found = grpc_cluster(message, balance)
    assert (found and Cluster.LbPolicy.Name(found.lb_policy)) == wanted
    if found:
        check(found)
        assert found.name == message.name
        assert found.WhichOneof("lb_config") is None


@pytest.mark.parametrize(
    ("kind", "on_http", "on_grpc", "on_tcp"),
    [("http", "http", "http", "tcp"), ("grpc", "tcp", "grpc", "tcp"), ("tcp", "tcp", "tcp", "tcp")],
)
def test_a_port_is_checked_by_what_it_speaks(kind: Any, on_http: str, on_grpc: str, on_tcp: str) -> None:
    policy = Policy(health_check=HealthCheck(kind, "/healthz" if kind == "http" else ""))
    for port, wanted in ((HTTP, on_http), (GRPC, on_grpc), (TCP, on_tcp)):
        (found,) = made(policy, port).health_checks
        assert found.WhichOneof("health_checker") == f"{wanted}_health_check"
        assert found.no_traffic_interval == found.interval


@pytest.mark.parametrize(
    ("hash_on", "specifier"),
    [
        (CLIENT, "filter_state"),
        (HashOn("header", "x-user"), "header"),
        (HashOn("query", "user"), "query_parameter"),
        (HashOn("cookie", "sid"), "cookie"),
        (HashOn("cookie", "sid", 1_500), "cookie"),
    ],
)
def test_an_encoded_route_is_what_the_message_is(hash_on: HashOn, specifier: str) -> None:
    wanted = to_cluster("c")
    hash_by(wanted, hash_on)
    check(wanted)
    assert wanted.route.hash_policy[0].WhichOneof("policy_specifier") == specifier
    assert Route.FromString(encoded_to_cluster("c", hash_on=hash_on)) == wanted
    assert bool(wanted.typed_per_filter_config) == (hash_on is CLIENT)


def test_without_something_to_hash_a_route_is_what_it_was() -> None:
    assert Route.FromString(encoded_to_cluster("c")) == to_cluster("c")
    route = to_cluster("c")
    hash_by(route, None)
    assert route == to_cluster("c")


@pytest.mark.parametrize("hash_on", [CLIENT, HashOn("header", "x-user")])
def test_connections_are_hashed_by_the_client(hash_on: HashOn) -> None:
    listener = vip_listener(alone(Policy(Balance.MAGLEV, hash_on)), TCP, "10.96.0.1")
    check(listener)
    state, last = listener.filter_chains[0].filters
    proxy = TcpProxy()
    assert last.typed_config.Unpack(proxy)
    assert proxy.hash_policy[0].filter_state.key == state.name
    assert len(vip_listener(alone(PLAIN), TCP, "10.96.0.1").filter_chains[0].filters) == 1


def test_the_listener_for_requests_is_the_same_whatever_is_hashed() -> None:
    plain = vip_listener(alone(PLAIN), HTTP, "10.96.0.1")
    assert vip_listener(alone(Policy(Balance.MAGLEV, CLIENT)), HTTP, "10.96.0.1") == plain
