"""TLS that sidecars speak for their applications: clusters, and how their ports are found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pilothouse._pb.envoy.config.cluster.v3.cluster_pb2 import Cluster
from pilothouse._pb.envoy.extensions.transport_sockets.tls.v3.tls_pb2 import UpstreamTlsContext
from pilothouse._pb.envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions
from pilothouse.encoding.rules import check
from pilothouse.mesh.claims import Resolved
from pilothouse.model.policy import Balance, HealthCheck, Policy
from pilothouse.model.services import Endpoint, Port, Protocol, ServiceName, ServiceSpec, UpstreamTls
from pilothouse.translate.clusters import cluster, grpc_cluster, is_plain
from pilothouse.translate.dns import dns_cluster
from pilothouse.translate.listeners import vip_listener
from pilothouse.translate.names import by_virtual_ip, host_ports
from pilothouse.translate.passthrough import NO_CHAINS, chains

TLS = UpstreamTls(ca="/ca.pem")
HTTPS = Port("https", 443, Protocol.HTTPS, tls=TLS)
WSS = Port("chat", 8443, Protocol.HTTP, tls=TLS)
DB = Port("tls", 5432, Protocol.TCP, tls=TLS)
SPEC = ServiceSpec(ServiceName("shop", "p"), (HTTPS, WSS, DB), ("10.96.0.1",))


def made(port: Port, **spec: Any) -> Cluster:
    message = cluster(replace(SPEC, **spec), port)
    check(message)
    return message


def wanted(message: Cluster) -> tuple[str, str, str]:
    """The server name that is sent, the name that a certificate has to be of, and who is to vouch for it."""
    context = UpstreamTlsContext()
    assert message.transport_socket.typed_config.Unpack(context)
    validation = context.common_tls_context.validation_context
    (known,) = validation.match_typed_subject_alt_names
    assert known.san_type == (known.DNS if context.sni else known.IP_ADDRESS)
    return context.sni, known.matcher.exact, validation.trusted_ca.filename


def versions(message: Cluster) -> str | None:
    """How it is chosen which HTTP is spoken; None is HTTP/1.1."""
    options = HttpProtocolOptions()
    for packed in message.typed_extension_protocol_options.values():
        assert packed.Unpack(options)
    return options.WhichOneof("upstream_protocol_options")


@pytest.mark.parametrize(
    ("tls", "spec", "expected"),
    [
        (TLS, {}, (SPEC.hostname, SPEC.hostname)),
        (TLS, {"external_name": "api.example.com"}, ("api.example.com", "api.example.com")),
        (TLS, {"external_name": "203.0.113.7"}, ("", "203.0.113.7")),
        (TLS._replace(server_name="own.example"), {}, ("own.example", "own.example")),
        (
            TLS._replace(server_name="own.example"),
            {"external_name": "b.example"},
            ("own.example", "own.example"),
        ),
        (TLS._replace(server_name="fd00::1"), {}, ("", "fd00::1")),
    ],
)
def test_a_certificate_has_to_be_of_the_name_that_is_called(tls: UpstreamTls, spec, expected) -> None:
    assert wanted(made(replace(HTTPS, tls=tls), **spec)) == (*expected, "/ca.pem")


def test_alpn_decides_for_https_alone() -> None:
    assert {port.name: versions(made(port)) for port in SPEC.ports} == {
        "https": "auto_config",
        "chat": None,
        "tls": None,
    }


def test_host_names_are_called_in_tls() -> None:
    message = dns_cluster(replace(SPEC, hosts=(Endpoint("a.example", (("https", 443),)),)), HTTPS)
    check(message)
    assert (message.cluster_type.name, wanted(message)[0]) == ("envoy.clusters.dns", SPEC.hostname)


def test_http_is_found_by_host_and_connections_by_virtual_ip_and_nothing_by_server_name() -> None:
    assert host_ports(SPEC) == [HTTPS, WSS]
    assert [port.name for port in SPEC.ports if by_virtual_ip(port, everything=False)] == ["tls"]
    assert chains(Resolved(SPEC, SPEC)) == NO_CHAINS
    (chain,) = vip_listener(Resolved(SPEC, SPEC), HTTPS, "10.96.0.1").filter_chains
    assert chain.filters[0].name == "envoy.filters.network.http_connection_manager"


def test_health_is_checked_by_what_is_inside() -> None:
    policy = Policy(health_check=HealthCheck("http", "/healthz"))
    kinds = [made(port, policy=policy).health_checks[0].WhichOneof("health_checker") for port in SPEC.ports]
    assert kinds == ["http_health_check", "http_health_check", "tcp_health_check"]


def test_a_service_with_such_a_port_is_not_as_most_are() -> None:
    assert not is_plain(SPEC)
    assert is_plain(replace(SPEC, ports=tuple(replace(port, tls=None) for port in SPEC.ports)))


@pytest.mark.parametrize("balance", [Balance.ROUND_ROBIN, Balance.RING_HASH, Balance.RANDOM])
def test_a_grpc_client_speaks_tls_by_its_own_credentials(balance: Balance) -> None:
    found = grpc_cluster(made(HTTPS, policy=Policy(balance)), balance)
    assert found is not None
    check(found)
    assert not found.HasField("transport_socket")
    assert found.lb_policy in (Cluster.ROUND_ROBIN, Cluster.RING_HASH)
