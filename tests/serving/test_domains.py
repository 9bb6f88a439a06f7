"""Hosts outside of the mesh that a sidecar depends on: its own, and nobody else's."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as Packed

from pilothouse._pb.envoy.config.cluster.v3.cluster_pb2 import Cluster
from pilothouse._pb.envoy.extensions.clusters.common.dns.v3.dns_pb2 import DnsLookupFamily
from pilothouse._pb.envoy.extensions.clusters.dns.v3.dns_cluster_pb2 import DnsCluster
from pilothouse._pb.envoy.extensions.transport_sockets.tls.v3.tls_pb2 import UpstreamTlsContext
from pilothouse.encoding.resources import Resource
from pilothouse.encoding.types import TYPES
from pilothouse.mesh.audience import ANYWHERE, Audience, Capture
from pilothouse.mesh.dependencies import Dependencies, Domain
from pilothouse.mesh.visibility import Scope
from pilothouse.model.routing import Backend, Filters, HeaderChange, Route, RouteKind, Rule
from pilothouse.model.services import Family, Port, Protocol, Service, ServiceName, ServiceSpec
from pilothouse.serving.world import World

from .test_pod_names import opened_hosts

API = "outbound|443||api.example.com"


def scope(*domains: Domain, namespace: str = "shop", services: Any = None) -> Scope:
    return Scope(Dependencies(services, domains=frozenset(domains)), namespace)


def service(name: ServiceName) -> Service:
    return Service(ServiceSpec(name, (Port("http", 80),)))


def opened(resource: Resource) -> Cluster:
    message = Cluster()
    assert Packed.FromString(resource.any).Unpack(message)
    return message


def routed(town: Any, seen: Scope) -> dict[str, str]:
    """The cluster of each domain."""
    resource = town.catalogue.routes(seen, Capture.PROXY).resources["egress"]
    return {domain: host.routes[0].route.cluster for domain, host in opened_hosts(resource).items()}


def test_a_domain_is_resolved_and_spoken_to_in_tls_that_is_verified(town: Any) -> None:
    seen = scope(Domain("api.example.com", 443, "/etc/ca.pem"))
    resource = town.catalogue.cluster(seen, API)
    assert town.catalogue.clusters(seen).resources == {API: resource}
    assert resource.complete
    message = opened(resource)
    (endpoint,) = message.load_assignment.endpoints[0].lb_endpoints
    at = endpoint.endpoint.address.socket_address
    assert (at.address, at.port_value) == ("api.example.com", 443)
    dns = DnsCluster()
    assert message.cluster_type.typed_config.Unpack(dns)
    assert (dns.respect_dns_ttl, dns.dns_lookup_family) == (True, DnsLookupFamily.V4_ONLY)
    context = UpstreamTlsContext()
    assert message.transport_socket.typed_config.Unpack(context)
    validation = context.common_tls_context.validation_context
    assert (context.sni, validation.trusted_ca.filename) == ("api.example.com", "/etc/ca.pem")
    assert validation.match_typed_subject_alt_names[0].matcher.exact == "api.example.com"
    assert town.catalogue.load_assignment(seen, ANYWHERE, API) is None


def test_an_address_is_verified_as_one_and_no_server_name(town: Any) -> None:
    seen = scope(Domain("203.0.113.7", 443, "/etc/ca.pem"))
    context = UpstreamTlsContext()
    message = opened(town.catalogue.cluster(seen, "outbound|443||203.0.113.7"))
    assert message.transport_socket.typed_config.Unpack(context)
    (known,) = context.common_tls_context.validation_context.match_typed_subject_alt_names
    assert (context.sni, known.san_type, known.matcher.exact) == ("", known.IP_ADDRESS, "203.0.113.7")
    assert routed(town, seen).keys() == {"203.0.113.7", "203.0.113.7:443", "*"}


def test_without_a_ca_it_is_spoken_to_in_the_clear(town: Any) -> None:
    seen = scope(Domain("api.example.com", 80))
    message = opened(town.catalogue.cluster(seen, "outbound|80||api.example.com"))
    assert not message.HasField("transport_socket")


def test_of_several_ports_80_or_the_first_serves_the_host_alone(town: Any) -> None:
    first, second = Domain("a.example", 8443, "/ca"), Domain("a.example", 9443, "/ca")
    of = {port: f"outbound|{port}||a.example" for port in (80, 8443, 9443)}
    assert routed(town, scope(first, second)) == {
        "a.example": of[8443],
        "a.example:8443": of[8443],
        "a.example.": of[8443],
        "a.example.:8443": of[8443],
        "a.example:9443": of[9443],
        "a.example.:9443": of[9443],
        "*": "",
    }
    assert routed(town, scope(first, Domain("a.example", 80)))["a.example"] == of[80]


def test_nobody_else_has_it(town: Any) -> None:
    seen = World(town.catalogue, Audience(namespace="shop"))
    for type in TYPES:
        assert seen.get(type, API) is None
    assert "api.example.com" not in routed(town, Scope(namespace="shop"))


@pytest.mark.parametrize("host", ["payments.shop", "payments.shop.svc.cluster.local"])
def test_a_name_that_a_service_has_is_the_service_s_while_it_is_there(town: Any, host: str) -> None:
    seen = scope(Domain(host, 80))
    name, cluster = ServiceName("shop", "payments"), "outbound|80||payments.shop.svc.cluster.local"
    assert routed(town, seen)[host] == f"outbound|80||{host}"
    town.put(service(name))
    assert routed(town, seen)[host] == cluster
    assert opened(town.catalogue.cluster(seen, cluster)).type == Cluster.EDS
    assert routed(town, scope(Domain(host, 80), services=frozenset()))[host] == f"outbound|80||{host}"
    town.remove(name)
    assert routed(town, seen)[host] == f"outbound|80||{host}"


def test_a_header_that_is_called_like_a_domain_does_not_hide_it(town: Any) -> None:
    change = HeaderChange(set=(("x-up", "api.example.com"),))
    rule = Rule(backends=(Backend("shop", "web", 80),), filters=Filters(request=change))
    route = Route(RouteKind.HTTP, "shop", "r", (rule,))
    name = ServiceName("shop", "web")
    town.put(Service(ServiceSpec(name, (Port("http", 80),), routes=(route,))))
    assert routed(town, scope(Domain("api.example.com", 443, "/ca.pem")))["api.example.com"] == API


@pytest.mark.parametrize(
    ("host", "namespace", "hidden"),
    [
        ("db.shop", "data", True),
        ("db.web", "shop", True),  # by a suffix, in its own namespace
        ("db.web", "data", False),
        ("db-0.db.shop", "data", True),
        ("db-0.db.web", "shop", True),
        ("db-9.db.shop", "shop", False),  # more specific than the answer for all that are not there
        ("192.0.3.7", "data", True),
        ("only-tcp.shop", "shop", False),  # nobody else has this Host header
    ],
)
def test_each_name_of_a_service_and_its_endpoints_is_its_own(
    town: Any, host: str, namespace: str, hidden: bool
) -> None:
    db = ServiceSpec(
        ServiceName("shop", "db"),
        (Port("http", 80),),
        ("192.0.3.7",),
        headless=True,
        hostnames=("db-0",),
        suffixes=(".web",),
    )
    tcp = ServiceSpec(ServiceName("shop", "only-tcp"), (Port("tcp", 80, Protocol.TCP),))
    town.put(Service(db), Service(tcp))
    cluster = routed(town, scope(Domain(host, 80), namespace=namespace))[host]
    assert (cluster != f"outbound|80||{host}") is hidden


def test_a_virtual_ip_that_a_sidecar_cannot_call_hides_no_domain(town: Any) -> None:
    town.put(Service(ServiceSpec(ServiceName("shop", "db"), (Port("http", 80),), ("192.0.3.7",))))
    seen = scope(Domain("192.0.3.7", 80))
    expected: dict[Family, str] = {"ipv4": "db.shop.svc.cluster.local", "ipv6": "192.0.3.7"}
    for family, host in expected.items():
        found = town.catalogue.routes(seen, Capture.PROXY, frozenset({family})).resources["egress"]
        assert opened_hosts(found)["192.0.3.7"].routes[0].route.cluster == f"outbound|80||{host}"
