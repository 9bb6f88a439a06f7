"""The joined bytes of a response mean the same to a decoder that shares no code with ours."""

from __future__ import annotations

from typing import Any

import pytest
from envoy_data_plane.envoy.config.cluster.v3 import Cluster
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment
from envoy_data_plane.envoy.config.listener.v3 import Listener
from envoy_data_plane.envoy.config.route.v3 import RouteConfiguration
from envoy_data_plane.envoy.service.discovery.v3 import DeltaDiscoveryResponse, DiscoveryResponse

from pilothouse.encoding.types import ResourceType

from .reading import begun
from .toy_world import CDS, EDS, LDS, NO_ENDPOINTS, RDS, TYPES, ToyWorld, made, opened

MESSAGES: dict[ResourceType, Any] = {
    CDS: Cluster,
    EDS: ClusterLoadAssignment,
    LDS: Listener,
    RDS: RouteConfiguration,
}
# Lengths on both sides of one byte of varint.
TEXTS = {"a": "1", "b" * 200: "2" * 20_000, "ö": "☃"}


@pytest.fixture
def world() -> Any:
    world = ToyWorld()
    world.change([(type, name, text) for type in TYPES for name, text in TEXTS.items()])
    return world


@pytest.mark.parametrize("type", MESSAGES, ids=lambda type: type.label)
def test_a_state_of_the_world_response_is_read_as_it_was_meant(world: Any, type: ResourceType) -> None:
    """G-TYPE G-NONCE G-VERSION G-WRAP"""
    stream: Any = begun("sotw")
    stream.receive(type, stream.codec.Request(resource_names=TEXTS), 0.0)
    response = DiscoveryResponse.parse(stream.poll(world, 0.0).data)
    assert (response.type_url, response.nonce) == (type.url, "1")
    assert len(response.version_info) == 16
    assert [each.type_url for each in response.resources] == [type.url] * 3
    assert dict(opened(type, MESSAGES[type].parse(each.value)) for each in response.resources) == TEXTS


@pytest.mark.parametrize("type", MESSAGES, ids=lambda type: type.label)
def test_a_delta_response_is_read_as_it_was_meant(world: Any, type: ResourceType) -> None:
    """G-TYPE G-NAME G-NONCE G-TTL D-RESVERSION"""
    stream: Any = begun("delta")
    stream.receive(type, stream.codec.Request(resource_names_subscribe=[*TEXTS, "nosuch"]), 0.0)
    response = DeltaDiscoveryResponse.parse(stream.poll(world, 0.0).data)
    assert (response.type_url, response.nonce) == (type.url, "1")
    assert (response.removed_resources, response.removed_resource_names) == (["nosuch"], [])
    for each in response.resources:
        assert each.resource.type_url == type.url
        assert opened(type, MESSAGES[type].parse(each.resource.value)) == (each.name, TEXTS[each.name])
        assert each.version == made(type, each.name, TEXTS[each.name]).version
        assert (each.ttl, each.aliases, each.resource_name) == (None, [], None)
    assert {each.name for each in response.resources} == TEXTS.keys()


def test_an_empty_load_assignment_has_its_name_and_no_endpoints(world: Any) -> None:
    """N-8 S-DEL-PART"""
    stream: Any = begun("sotw")
    stream.receive(EDS, stream.codec.Request(resource_names=["a"]), 0.0)
    first = DiscoveryResponse.parse(stream.poll(world, 0.0).data)
    stream.receive(EDS, stream.codec.Request(resource_names=["a"], response_nonce=first.nonce), 0.0)
    stream.notify(world.change([(EDS, "a", None)]))
    second = DiscoveryResponse.parse(stream.poll(world, 0.0).data)
    assert [opened(EDS, MESSAGES[EDS].parse(each.value)) for each in second.resources] == [
        ("a", NO_ENDPOINTS)
    ]
    assert second.version_info not in ("", first.version_info)
