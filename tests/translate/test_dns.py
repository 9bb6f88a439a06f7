"""Which hosts a sidecar resolves for a service, at which ports, and why some are left out."""

from __future__ import annotations

from typing import Any

from pilothouse._pb.envoy.config.cluster.v3.cluster_pb2 import Cluster
from pilothouse._pb.envoy.extensions.clusters.common.dns.v3.dns_pb2 import DnsLookupFamily
from pilothouse._pb.envoy.extensions.clusters.dns.v3.dns_cluster_pb2 import DnsCluster
from pilothouse.model.reasons import Reason
from pilothouse.model.services import Endpoint, Port, ServiceName, ServiceSpec
from pilothouse.translate.dns import dns_cluster, hosts_at

HTTP = Port("http", 80, target=8080)


def spec(*hosts: Endpoint, headless: bool = False) -> ServiceSpec:
    name = ServiceName("shop", "legacy")
    return ServiceSpec(name, (HTTP,), headless=headless, hosts=hosts)


def host(name: str, port: int | None = 9090, **fields: Any) -> Endpoint:
    return Endpoint(name, (("http", port),), **fields)


def called(cluster: Cluster) -> list[tuple[str, int, int]]:
    return [
        (at.address, at.port_value, endpoint.load_balancing_weight.value)
        for group in cluster.load_assignment.endpoints
        for endpoint in group.lb_endpoints
        for at in (endpoint.endpoint.address.socket_address,)
    ]


def test_hosts_have_the_number_of_their_slice_and_all_ports_means_the_target_of_the_service() -> None:
    hosts = host("a.example", weight=3), host("b.example", None)
    assert called(dns_cluster(spec(*hosts), HTTP)) == [("a.example", 9090, 3), ("b.example", 8080, 1)]


def test_an_address_is_used_as_long_as_its_record_says_and_no_deprecated_field_asks_for_that() -> None:
    cluster, dns = dns_cluster(spec(host("a.example")), HTTP), DnsCluster()
    assert cluster.cluster_type.name == "envoy.clusters.dns"
    assert cluster.cluster_type.typed_config.Unpack(dns)
    assert dns == DnsCluster(respect_dns_ttl=True, dns_lookup_family=DnsLookupFamily.V4_PREFERRED)
    set_fields = {field.name for field, _ in cluster.ListFields()}
    assert not set_fields & {
        "type",
        "respect_dns_ttl",
        "dns_lookup_family",
        "dns_refresh_rate",
        "eds_cluster_config",
    }


def test_a_host_in_two_slices_is_called_once() -> None:
    hosts = host("a.example"), host("a.example"), host("a.example", 9091)
    assert called(dns_cluster(spec(*hosts), HTTP)) == [("a.example", 9090, 1), ("a.example", 9091, 1)]


def test_what_cannot_be_called_leaves_the_rest_alone_and_has_a_reason() -> None:
    other = Endpoint("c.example", (("grpc", 9000),))
    found = hosts_at(spec(host("a.example", 0), host("b.example", 65536), other, host("d.example")), HTTP)
    assert [name for name, *_ in found.in_service] == ["d.example"]
    assert [(omission.what, omission.reason) for omission in found.omissions] == [
        ("a.example", Reason.INVALID_PORT),
        ("b.example", Reason.INVALID_PORT),
        ("c.example", Reason.PORT_NAME_MISMATCH),
    ]


def test_a_host_of_a_headless_service_can_be_chosen_by_its_host_name() -> None:
    cluster = dns_cluster(spec(host("a.example", hostname="db-0"), headless=True), HTTP)
    (endpoint,) = cluster.load_assignment.endpoints[0].lb_endpoints
    assert dict(endpoint.metadata.filter_metadata["envoy.lb"]) == {"hostname": "db-0"}
    assert cluster.lb_subset_config.subset_selectors[0].keys == ["hostname"]
    cluster = dns_cluster(spec(host("a.example", hostname="db-0")), HTTP)
    assert not cluster.load_assignment.endpoints[0].lb_endpoints[0].HasField("metadata")
