"""How the rules of a type reach what is inside its messages, on Envoy's own types."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

import pytest
from google.protobuf import text_format
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st

import pilothouse._pb
from pilothouse._pb.envoy.config.core.v3.base_pb2 import KeyValueAppend, Locality, Metadata
from pilothouse._pb.envoy.config.core.v3.config_source_pb2 import ExtensionConfigSource
from pilothouse._pb.envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from pilothouse._pb.envoy.config.core.v3.protocol_pb2 import QuicKeepAliveSettings
from pilothouse._pb.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from pilothouse._pb.envoy.config.route.v3.route_components_pb2 import RouteMatch
from pilothouse.encoding import rules
from pilothouse.encoding.rules.messages import checker


def nested(types: list[Descriptor]) -> Iterator[Descriptor]:
    for each in types:
        yield each
        yield from nested(list(each.nested_types))


def every_type() -> list[Descriptor]:
    package = pilothouse._pb
    modules = [import_module(found.name) for found in walk_packages(package.__path__, f"{package.__name__}.")]
    files = [module.DESCRIPTOR for module in modules if module.__name__.endswith("_pb2")]
    return [each for file in files for each in nested(list(file.message_types_by_name.values()))]


def fault(message: Message) -> str:
    try:
        rules.check(message)
    except rules.RuleViolation as violation:
        return f"{violation.path} {violation.rule}"
    return ""


def test_the_rules_of_every_type_that_is_generated_can_be_judged() -> None:
    types = every_type()
    assert len(types) > 500
    compiled = [each for each in types if checker(each) is not None]
    assert len(compiled) > 300


@pytest.mark.parametrize("free", [Locality, Struct])
def test_a_type_without_rules_inside_compiles_to_nothing(free: Any) -> None:
    assert checker(free.DESCRIPTOR) is None


def test_a_required_member_of_a_oneof_is_asked_for_only_where_it_is_chosen() -> None:
    assert fault(RouteMatch(prefix="/")) == ""
    assert fault(RouteMatch(safe_regex={})) == "safe_regex.regex string.min_len"
    assert fault(RouteMatch()) == "path_specifier required"


def test_what_a_field_says_to_skip_is_skipped() -> None:
    assert fault(KeyValueAppend(entry={"key": ""})) == ""


def test_what_envoy_does_not_look_into_is_only_asked_to_be_there() -> None:
    text = 'config_source { resource_api_version: 99 } type_urls: "a"'
    assert fault(text_format.Parse(text, ExtensionConfigSource())) == ""
    assert fault(ExtensionConfigSource(type_urls=["a"])) == "config_source required"


def test_bounds_that_cross_leave_out_what_is_between_them() -> None:
    assert fault(QuicKeepAliveSettings(initial_interval={})) == ""
    assert (
        fault(QuicKeepAliveSettings(initial_interval={"nanos": 999_999})) == "initial_interval duration.gte"
    )
    assert fault(QuicKeepAliveSettings(initial_interval={"nanos": 1_000_000})) == ""


def test_a_fault_inside_an_any_inside_an_any_is_found() -> None:
    innermost = ClusterLoadAssignment()
    middle = TypedExtensionConfig(name="middle")
    middle.typed_config.Pack(innermost)
    outer = TypedExtensionConfig(name="outer")
    outer.typed_config.Pack(middle)
    assert fault(outer) == "typed_config.typed_config.cluster_name string.min_len"


def test_a_fault_inside_an_any_in_a_map_is_found() -> None:
    metadata = Metadata()
    metadata.typed_filter_metadata["good"].Pack(ClusterLoadAssignment(cluster_name="c"))
    metadata.typed_filter_metadata["bad"].Pack(ClusterLoadAssignment())
    assert fault(metadata) == "typed_filter_metadata['bad'].cluster_name string.min_len"


def test_an_any_of_an_unknown_type_is_left_alone() -> None:
    config = TypedExtensionConfig(name="n")
    config.typed_config.type_url = "type.googleapis.com/acme.v1.Unknown"
    config.typed_config.value = b"\xff"
    assert fault(config) == ""


def test_an_any_that_does_not_hold_what_it_says_is_a_fault() -> None:
    config = TypedExtensionConfig(name="n")
    config.typed_config.Pack(ClusterLoadAssignment())
    config.typed_config.value = b"\xff"
    assert fault(config) == "typed_config any"


def assignment(sizes: list[int], weight: int, port: int) -> ClusterLoadAssignment:
    result = ClusterLoadAssignment(cluster_name="c")
    for size in sizes:
        locality = result.endpoints.add()
        for _ in range(size):
            member = locality.lb_endpoints.add()
            member.load_balancing_weight.value = weight
            member.endpoint.address.socket_address.address = "10.0.0.1"
            member.endpoint.address.socket_address.port_value = port
    return result


sizes = st.lists(st.integers(1, 4), min_size=1, max_size=4)
weights = st.integers(1, 2**32 - 1)
ports = st.integers(0, 65535)


@given(sizes, weights, ports)
def test_good_endpoints_pass_however_many(sizes: list[int], weight: int, port: int) -> None:
    assert fault(assignment(sizes, weight, port)) == ""


@given(sizes, weights, ports, st.data())
def test_one_bad_endpoint_among_good_ones_is_named(
    sizes: list[int], weight: int, port: int, data: st.DataObject
) -> None:
    locality = data.draw(st.integers(0, len(sizes) - 1))
    position = data.draw(st.integers(0, sizes[locality] - 1))
    message = assignment(sizes, weight, port)
    member = message.endpoints[locality].lb_endpoints[position]
    member.endpoint.address.socket_address.port_value = data.draw(st.integers(65536, 2**32 - 1))
    path = f"endpoints[{locality}].lb_endpoints[{position}].endpoint.address.socket_address.port_value"
    assert fault(message) == f"{path} uint32.lte"
