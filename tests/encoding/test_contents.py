"""The content of a resource is what Envoy would print, in steps, and without what nobody may read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from google.protobuf.json_format import MessageToDict

from pilothouse._pb.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from pilothouse._pb.envoy.config.route.v3.route_pb2 import RouteConfiguration
from pilothouse._pb.envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret
from pilothouse.encoding.contents import REDACTED, contents
from pilothouse.encoding.resources import Resource
from pilothouse.encoding.types import ResourceType
from pilothouse.structures.turns import Steps, at_once
from pilothouse.translate.secrets import certificate, validation


def large() -> ClusterLoadAssignment:
    message = ClusterLoadAssignment(cluster_name="many")
    for zone in range(3):
        locality = message.endpoints.add(priority=zone)
        locality.locality.zone = str(zone)
        locality.load_balancing_weight.value = 3
        for number in range(1000):
            endpoint = locality.lb_endpoints.add()
            endpoint.load_balancing_weight.value = number + 1
            endpoint.endpoint.address.socket_address.address = f"10.{zone}.{number // 256}.{number % 256}"
            endpoint.endpoint.address.socket_address.port_value = 80
    message.policy.overprovisioning_factor.value = 150
    return message


def test_a_large_message_is_converted_in_small_steps_to_what_it_is_in_one() -> None:
    message = large()
    steps = contents(Resource(ResourceType.ENDPOINTS, "many", message.SerializeToString()))
    found: list[dict[str, Any]] = []
    count = sum(1 for _ in _ended(steps, found))
    assert found == [MessageToDict(message, preserving_proto_field_name=True)]
    assert count > 3000


def _ended(steps: Steps[dict[str, Any]], found: list[dict[str, Any]]) -> Iterator[None]:
    found.append((yield from steps))


def test_maps_and_types_of_their_own_are_as_json_has_them() -> None:
    message = RouteConfiguration(name="egress")
    for number in range(200):
        host = message.virtual_hosts.add(name=f"v{number}", domains=[f"v{number}.shop"])
        route = host.routes.add()
        route.match.prefix = "/"
        route.route.timeout.FromSeconds(15)
        route.metadata.filter_metadata["one"]["two"] = "three"
        route.typed_per_filter_config["cors"].Pack(message.virtual_hosts[0])
    resource = Resource(ResourceType.ROUTES, "egress", message.SerializeToString())
    found = at_once(contents(resource))
    assert found == MessageToDict(message, preserving_proto_field_name=True)
    assert found["virtual_hosts"][1]["routes"][0]["route"]["timeout"] == "15s"


def test_a_private_key_is_in_no_content_and_the_chain_is() -> None:
    said = at_once(contents(certificate("web", b"the chain", b"the private key")))
    assert said["tls_certificate"]["private_key"] == {"inline_string": REDACTED}
    assert said["tls_certificate"]["certificate_chain"]["inline_bytes"] == "dGhlIGNoYWlu"
    assert "validation_context" in at_once(contents(validation("ca", b"the authorities")))
    message = Secret(name="others")
    message.session_ticket_keys.keys.add().inline_string = "ticket"
    message.generic_secret.secret.inline_string = "token"
    for one in (message, Secret.FromString(message.SerializeToString())):
        encoded = Resource(ResourceType.SECRET, "others", one.SerializeToString())
        text = json.dumps(at_once(contents(encoded)))
        assert "token" not in text
        assert 'ticket"' not in text
