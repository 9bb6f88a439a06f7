"""The client's side of Delta, over messages as a control plane may send them."""

from __future__ import annotations

from google.protobuf.json_format import MessageToDict

from pilothouse._pb.envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryResponse
from pilothouse._pb.pilothouse.names.v1.names_pb2 import Names
from pilothouse.agent.learned import Learned
from pilothouse.agent.subscription import Subscription
from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.audience import Node
from pilothouse.model.services import ServiceName
from pilothouse.structures.turns import at_once

NODE = Node("web-0-dns", metadata={"pilothouse": {"namespace": "shop"}}, user_agent="pilothouse-dns-agent")
WEB = ServiceName("shop", "web")


def subscription() -> Subscription:
    return Subscription(NODE, Learned())


def response(
    *resources: tuple[str, str, bytes], removed: tuple[str, ...] = (), nonce: str = "1"
) -> DeltaDiscoveryResponse:
    found = DeltaDiscoveryResponse(type_url=ResourceType.NAMES.url, nonce=nonce, removed_resources=removed)
    for name, version, value in resources:
        added = found.resources.add(name=name, version=version)
        added.resource.type_url, added.resource.value = ResourceType.NAMES.url, value
    return found


def web(version: str = "v1", address: bytes = bytes((10, 96, 0, 1))) -> tuple[str, str, bytes]:
    message = Names()
    message.service.namespace, message.service.name = WEB[:2]
    message.service.addresses.append(address)
    return "web.shop.svc.cluster.local", version, message.SerializeToString()


def test_the_first_request_says_who_asks_and_wants_all() -> None:
    request = subscription().first()
    assert request.node.id == "web-0-dns"
    assert MessageToDict(request.node.metadata) == {"pilothouse": {"namespace": "shop"}}
    assert [*request.resource_names_subscribe] == ["*"]
    assert not request.initial_resource_versions


def test_a_response_is_learned_and_acknowledged() -> None:
    asked = subscription()
    answer = at_once(asked.taking(response(web(), nonce="7")))
    assert (answer.response_nonce, answer.HasField("error_detail")) == ("7", False)
    assert asked.learned.service(WEB) is not None


def test_a_new_stream_begins_with_what_is_known() -> None:
    asked = subscription()
    at_once(
        asked.taking(
            response(
                web("v1"),
                ("cluster.local", "z1", Names(zone={"domain": "cluster.local"}).SerializeToString()),
            )
        )
    )
    at_once(asked.taking(response(web("v2"))))
    at_once(asked.taking(response(removed=("cluster.local",))))
    assert dict(asked.first().initial_resource_versions) == {"web.shop.svc.cluster.local": "v2"}


def test_what_is_removed_is_forgotten() -> None:
    asked = subscription()
    at_once(asked.taking(response(web())))
    at_once(asked.taking(response(removed=("web.shop.svc.cluster.local", "never.known"))))
    assert asked.learned.service(WEB) is None


def test_what_cannot_be_used_is_said_and_costs_nothing_else() -> None:
    asked = subscription()
    bad = ("bad.shop.svc.cluster.local", "v1", web(address=b"123")[2])
    answer = at_once(asked.taking(response(bad, web(), removed=("gone",))))
    assert answer.error_detail.code == 3
    assert answer.error_detail.message.startswith("bad.shop.svc.cluster.local: ")
    assert asked.learned.service(WEB) is not None
    # So the control plane sends it again once there is another version.
    assert [*asked.first().initial_resource_versions] == ["web.shop.svc.cluster.local"]
