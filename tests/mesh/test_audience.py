from typing import Any

import pytest

from pilothouse.mesh.audience import (
    Address,
    Admission,
    Audience,
    BadNode,
    Capture,
    Node,
    Outbound,
    audience,
)
from pilothouse.mesh.dependencies import Dependencies
from pilothouse.mesh.visibility import Visibility
from pilothouse.model.services import Locality, ServiceName


def metadata(**said: Any) -> Node:
    return Node("web-0", Locality("r1", "z1"), {"pilothouse": said})


def test_an_egress_address_has_one_form() -> None:
    for written in ("[::ffff:10.0.0.5]:8080", "10.0.0.5:8080", "[::ffff:a00:5]:8080"):
        assert audience(Node(metadata={"pilothouse": {"egress": written}})).egress == Address(
            "10.0.0.5", 8080
        )


def test_a_node_that_says_nothing_sees_everything_and_has_no_namespace() -> None:
    assert audience(Node()) == Audience()


def test_everything_that_a_node_says_is_taken_over() -> None:
    node = metadata(
        namespace="web",
        dependencies=["shop/payments", "data/*"],
        node="n1",
        families=["ipv6", "ipv4", "ipv6"],
        egress="127.0.0.2:15002",
        capture="vip",
    )
    assert audience(node) == Audience(
        namespace="web",
        node="n1",
        families=("ipv6", "ipv4"),
        locality=Locality("r1", "z1"),
        dependencies=Dependencies(frozenset({ServiceName("shop", "payments"), ServiceName("data", "*")})),
        egress=Address("127.0.0.2", 15002),
        capture=Capture.VIP,
    )


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"namespace": 5}, "node.metadata.pilothouse.namespace"),
        ({"namespace": "Not A Label"}, "node.metadata.pilothouse.namespace"),
        ({"dependencies": "shop/payments"}, "node.metadata.pilothouse.dependencies"),
        ({"dependencies": ["shop/payments", "payments"]}, "node.metadata.pilothouse.dependencies[1]"),
        ({"dependencies": ["*/*"]}, "node.metadata.pilothouse.dependencies[0]"),
        (
            {"dependencies": [{"service": "a/b", "domain": "http://a.b"}]},
            "node.metadata.pilothouse.dependencies[0]",
        ),
        ({"dependencies": [{"domain": "a/b"}]}, "node.metadata.pilothouse.dependencies[0].domain"),
        ({"dependencies": ["https://localhost"]}, "node.metadata.pilothouse.dependencies[0]"),
        ({"dependencies": [7]}, "node.metadata.pilothouse.dependencies[0]"),
        ({"node": []}, "node.metadata.pilothouse.node"),
        ({"families": "ipv4"}, "node.metadata.pilothouse.families"),
        ({"families": []}, "node.metadata.pilothouse.families"),
        ({"families": ["ipv4", "IPv6"]}, "node.metadata.pilothouse.families"),
        ({"families": [["ipv4"]]}, "node.metadata.pilothouse.families"),
        ({"egress": "127.0.0.1"}, "node.metadata.pilothouse.egress"),
        ({"egress": "localhost:15001"}, "node.metadata.pilothouse.egress"),
        ({"egress": "127.0.0.1:0"}, "node.metadata.pilothouse.egress"),
        ({"egress": "127.0.0.1:65536"}, "node.metadata.pilothouse.egress"),
        ({"capture": "everything"}, "node.metadata.pilothouse.capture"),
        ({"capture": ["redirect"]}, "node.metadata.pilothouse.capture"),
        ({"capture": "redirect", "outbound": "none"}, "node.metadata.pilothouse.outbound"),
        ({"capture": "vip", "outbound": "registry-only"}, "node.metadata.pilothouse.outbound"),
        ({"outbound": "registry-only"}, "node.metadata.pilothouse.outbound"),
        ({"capture": "redirect", "egress": "0.0.0.0:15001"}, "node.metadata.pilothouse.egress"),
        ({"capture": "redirect", "egress": "[::1]:15001"}, "node.metadata.pilothouse.egress"),
        ({"dependancies": []}, "node.metadata.pilothouse.dependancies"),
    ],
)
def test_metadata_that_makes_no_sense_is_refused_by_the_name_of_its_field(
    said: dict[str, object], named: str
) -> None:
    with pytest.raises(BadNode) as refused:
        audience(metadata(**said))
    assert str(refused.value).startswith(f"{named}: ")


def test_what_becomes_of_the_rest_is_said_by_who_is_redirected() -> None:
    assert audience(metadata(capture="redirect")).outbound is Outbound.ANY
    assert audience(metadata(capture="redirect", outbound="any")) == audience(metadata(capture="redirect"))
    only = audience(metadata(capture="redirect", outbound="registry-only", egress="127.0.0.1:15009"))
    assert (only.outbound, only.passes_on) == (Outbound.REGISTRY_ONLY, False)
    assert audience(metadata(outbound="any")) == audience(metadata())


def test_metadata_that_is_no_object_is_refused() -> None:
    with pytest.raises(BadNode, match=r"node\.metadata\.pilothouse: "):
        audience(Node(metadata={"pilothouse": "shop"}))


@pytest.mark.parametrize(
    ("node", "namespace"),
    [
        (Node(metadata={"NAMESPACE": "shop"}), "shop"),
        (Node("sidecar~10.1.2.3~web-0.shop~shop.svc.cluster.local"), "shop"),
        (Node("sidecar~10.1.2.3~web-0~x"), ""),
        (Node("sidecar~10.1.2.3~.shop~x"), ""),
        (Node("web-0.shop"), ""),
        (Node("a~b~c"), ""),
        (Node("x~y~z.q", metadata={"pilothouse": {"namespace": "said"}}), "said"),
    ],
)
def test_the_namespace_is_stated_or_follows_a_convention_and_is_never_guessed(
    node: Node, namespace: str
) -> None:
    assert audience(node).namespace == namespace


def test_no_dependencies_is_not_the_same_as_not_saying() -> None:
    payments = ServiceName("shop", "payments")
    assert audience(metadata()).scope.sees(Visibility(payments))
    assert not audience(metadata(dependencies=[])).scope.sees(Visibility(payments))


def test_a_dependency_on_a_namespace_covers_all_of_it_and_no_other() -> None:
    scope = audience(metadata(dependencies=["data/*", "shop/payments"])).scope
    assert scope.sees(Visibility(ServiceName("data", "ledger")))
    assert scope.sees(Visibility(ServiceName("shop", "payments")))
    assert not scope.sees(Visibility(ServiceName("shop", "carts")))
    assert not scope.sees(Visibility(ServiceName("data-2", "ledger")))


def test_an_operator_says_where_those_are_who_do_not_say_it() -> None:
    admission = Admission("web")
    assert audience(Node(), admission).namespace == "web"
    assert audience(metadata(namespace="shop"), admission).namespace == "shop"


@pytest.mark.parametrize("said", [{}, {"dependencies": ["*"]}, {"dependencies": ["*", "!data/*"]}])
def test_only_clients_of_the_namespaces_that_an_operator_names_depend_on_everything(
    said: dict[str, object],
) -> None:
    admission = Admission(wildcards=frozenset({"ops"}))
    assert audience(metadata(namespace="ops", **said), admission).dependencies.services is None
    for node in (metadata(namespace="shop", **said), metadata(**said)):
        with pytest.raises(BadNode, match=r"^node\.metadata\.pilothouse\.dependencies: must say which"):
            audience(node, admission)
    some = metadata(namespace="shop", dependencies=["shop/*"])
    assert audience(some, admission) == audience(some)
