"""Faults in the resources that sidecars are sent, every one of them also shown to a real Envoy."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
from google.protobuf import text_format
from google.protobuf.message import Message

from pilothouse._pb.envoy.config.cluster.v3.cluster_pb2 import Cluster
from pilothouse._pb.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from pilothouse._pb.envoy.config.listener.v3.listener_pb2 import Listener
from pilothouse._pb.envoy.config.route.v3.route_pb2 import RouteConfiguration
from pilothouse._pb.envoy.extensions.filters.http.router.v3.router_pb2 import Router
from pilothouse._pb.envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2,
)
from pilothouse._pb.envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions
from pilothouse.encoding import rules

OPTIONS = HttpProtocolOptions.DESCRIPTOR.full_name
MANAGER = http_connection_manager_pb2.HttpConnectionManager.DESCRIPTOR.full_name
LOCAL = 'address { socket_address { address: "127.0.0.1" port_value: 15001 } }'
ROUTE = 'match { prefix: "/" } route { cluster: "c" }'


def packed(name: str, text: str) -> str:
    return f"{{ [type.googleapis.com/{name}] {{ {text} }} }}"


def endpoint(address: str = "10.0.0.1", port: str = "port_value: 80", more: str = "") -> str:
    socket = f'socket_address {{ address: "{address}" {port} }}'
    return f"lb_endpoints {{ endpoint {{ address {{ {socket} }} }} {more} }}"


def assignment(*localities: str) -> Message:
    text = " ".join(f"endpoints {{ {locality} }}" for locality in localities)
    return text_format.Parse(f'cluster_name: "c" {text}', ClusterLoadAssignment())


def cluster(text: str) -> Message:
    return text_format.Parse(f'name: "c" {text}', Cluster())


def protocol_options(text: str) -> Message:
    entry = f'key: "{OPTIONS}" value {packed(OPTIONS, text)}'
    return cluster(f"typed_extension_protocol_options {{ {entry} }}")


def hosts(*hosts: str) -> Message:
    text = " ".join(f"virtual_hosts {{ {host} }}" for host in hosts)
    return text_format.Parse(f'name: "r" {text}', RouteConfiguration())


def host(text: str) -> Message:
    return hosts(f'name: "v" domains: "*" {text}')


def route(text: str) -> Message:
    return host(f"routes {{ {text} }}")


def http(text: str, filter_name: str = "http") -> Message:
    router = f'http_filters {{ name: "router" typed_config {packed(Router.DESCRIPTOR.full_name, "")} }}'
    http_filter = f'name: "{filter_name}" typed_config {packed(MANAGER, f"{text} {router}")}'
    return text_format.Parse(f'name: "l" {LOCAL} filter_chains {{ filters {{ {http_filter} }} }}', Listener())


class Fault(NamedTuple):
    message: Message
    path: str
    rule: str


FIRST = "endpoints[0].lb_endpoints[0]"
SOCKET = f"{FIRST}.endpoint.address.socket_address"
OPTIONS_PATH = f"typed_extension_protocol_options['{OPTIONS}']"
ROUTE_PATH = "virtual_hosts[0].routes[0]"
CONFIG_PATH = "filter_chains[0].filters[0].typed_config"

FAULTS = {
    "port 70000": Fault(
        assignment(endpoint(), endpoint() + endpoint(port="port_value: 70000")),
        "endpoints[1].lb_endpoints[1].endpoint.address.socket_address.port_value",
        "uint32.lte",
    ),
    "weight 0": Fault(
        assignment(endpoint() + endpoint(more="load_balancing_weight {}")),
        "endpoints[0].lb_endpoints[1].load_balancing_weight",
        "uint32.gte",
    ),
    "an assignment to no cluster": Fault(ClusterLoadAssignment(), "cluster_name", "string.min_len"),
    "an empty address": Fault(assignment(endpoint(address="")), f"{SOCKET}.address", "string.min_len"),
    "an address of no kind": Fault(
        assignment("lb_endpoints { endpoint { address {} } }"),
        f"{FIRST}.endpoint.address.address",
        "required",
    ),
    "no port": Fault(assignment(endpoint(port="")), f"{SOCKET}.port_specifier", "required"),
    "an undefined protocol": Fault(
        assignment(endpoint(port="port_value: 80 protocol: 99")), f"{SOCKET}.protocol", "enum.defined_only"
    ),
    "priority 129": Fault(assignment("priority: 129"), "endpoints[0].priority", "uint32.lte"),
    "metadata without a name": Fault(
        assignment('lb_endpoints { metadata { filter_metadata { key: "" value {} } } }'),
        f"{FIRST}.metadata.filter_metadata['']",
        "string.min_len",
    ),
    "a cluster without a name": Fault(Cluster(), "name", "string.min_len"),
    "connect_timeout 0": Fault(cluster("connect_timeout {}"), "connect_timeout", "duration.gt"),
    "an undefined policy": Fault(cluster("lb_policy: 99"), "lb_policy", "enum.defined_only"),
    "panic above 100 %": Fault(
        cluster("common_lb_config { healthy_panic_threshold { value: 101 } }"),
        "common_lb_config.healthy_panic_threshold.value",
        "double.lte",
    ),
    "no version of HTTP, in an Any": Fault(
        protocol_options("common_http_protocol_options {}"),
        f"{OPTIONS_PATH}.upstream_protocol_options",
        "required",
    ),
    "a duration below 0 without a rule": Fault(
        route(ROUTE.replace('"c"', '"c" timeout { seconds: -1 }')), f"{ROUTE_PATH}.route.timeout", "duration"
    ),
    "a duration that Envoy cannot hold": Fault(
        route(ROUTE.replace('"c"', '"c" timeout { seconds: 9223372036 }')),
        f"{ROUTE_PATH}.route.timeout",
        "duration",
    ),
    "a virtual host without a name": Fault(
        hosts('name: "v" domains: "a"', 'domains: "b"'), "virtual_hosts[1].name", "string.min_len"
    ),
    "no domains": Fault(hosts('name: "v"'), "virtual_hosts[0].domains", "repeated.min_items"),
    "a newline in a domain": Fault(
        hosts(r'name: "v" domains: "a" domains: "b\nc"'),
        "virtual_hosts[0].domains[1]",
        "string.well_known_regex",
    ),
    "a newline at the end of a header": Fault(
        host(r'request_headers_to_add { header { key: "x-a" value: "b\n" } }'),
        "virtual_hosts[0].request_headers_to_add[0].header.value",
        "string.well_known_regex",
    ),
    "no match": Fault(route("redirect {}"), f"{ROUTE_PATH}.match", "required"),
    "a match of nothing": Fault(
        route("match {} redirect {}"), f"{ROUTE_PATH}.match.path_specifier", "required"
    ),
    "no action": Fault(route('match { path: "/" }'), f"{ROUTE_PATH}.action", "required"),
    "a route to no cluster": Fault(
        route(ROUTE.replace('"c"', '""')), f"{ROUTE_PATH}.route.cluster", "string.min_len"
    ),
    "a separated prefix that ends in a slash": Fault(
        route('match { path_separated_prefix: "/a/" } redirect {}'),
        f"{ROUTE_PATH}.match.path_separated_prefix",
        "string.pattern",
    ),
    "a chosen regex that is empty": Fault(
        route("match { safe_regex {} } redirect {}"),
        f"{ROUTE_PATH}.match.safe_regex.regex",
        "string.min_len",
    ),
    "a filter without a name": Fault(
        http('stat_prefix: "s" route_config {}', filter_name=""),
        "filter_chains[0].filters[0].name",
        "string.min_len",
    ),
    "no stat_prefix, in an Any": Fault(
        http("route_config {}"), f"{CONFIG_PATH}.stat_prefix", "string.min_len"
    ),
    "no domains, deep in an Any": Fault(
        http('stat_prefix: "s" route_config { virtual_hosts { name: "v" } }'),
        f"{CONFIG_PATH}.route_config.virtual_hosts[0].domains",
        "repeated.min_items",
    ),
}
GOOD = {
    "an empty assignment": assignment(),
    "the highest port and the least weight": assignment(
        endpoint(port="port_value: 65535", more="load_balancing_weight { value: 1 }"), "priority: 1"
    ),
    "metadata": assignment(endpoint(more='metadata { filter_metadata { key: "a" value {} } }')),
    "the shortest timeout": cluster("connect_timeout { nanos: 1000000 }"),
    "panic at 0 %": cluster("common_lb_config { healthy_panic_threshold { value: 0 } }"),
    "HTTP/2": protocol_options("explicit_http_config { http2_protocol_options {} }"),
    "no virtual hosts": hosts(),
    "a required regex where another match was chosen": route(ROUTE),
    "the longest duration": route(
        ROUTE.replace('"c"', '"c" timeout { seconds: 9223372035 nanos: 999999999 }')
    ),
    "an empty prefix, where it was chosen": route('match { prefix: "" } redirect {}'),
    "a tab in a header": host(r'request_headers_to_add { header { key: "x-a" value: "\tb" } }'),
    "a listener for HTTP": http('stat_prefix: "s" route_config {}'),
}
every_fault = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
every_good_one = pytest.mark.parametrize("message", GOOD.values(), ids=GOOD.keys())


@every_fault
def test_a_fault_is_found_and_named_by_its_path(fault: Fault) -> None:
    with pytest.raises(rules.RuleViolation) as found:
        rules.check(fault.message)
    assert (found.value.path, found.value.rule) == (fault.path, fault.rule)


@pytest.mark.envoy
@every_fault
def test_envoy_refuses_what_is_a_fault_here(fault: Fault, envoy_says: Callable[[Message], str]) -> None:
    said = envoy_says(fault.message)
    assert "Proto constraint validation failed" in said or "Invalid duration" in said


@every_good_one
def test_a_good_resource_passes(message: Message) -> None:
    rules.check(message)


@pytest.mark.envoy
@every_good_one
def test_envoy_takes_what_is_good_here(message: Message, envoy_says: Callable[[Message], str]) -> None:
    assert envoy_says(message) == ""


def test_a_fault_reads_as_field_demand_and_rule() -> None:
    with pytest.raises(rules.RuleViolation) as found:
        rules.check(FAULTS["port 70000"].message)
    path = FAULTS["port 70000"].path
    assert str(found.value) == f"{path}: must be at most 65535, is 70000 (uint32.lte)"


def test_a_fault_does_not_quote_the_text_it_is_about() -> None:
    with pytest.raises(rules.RuleViolation) as found:
        rules.check(host(r'request_headers_to_add { header { key: "x-token" value: "s3cret\n" } }'))
    assert "s3cret" not in str(found.value)
