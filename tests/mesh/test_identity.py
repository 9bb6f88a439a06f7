"""Which namespace a certificate puts its owner in, and what names none."""

from __future__ import annotations

import pytest

from pilothouse.mesh.audience import Admission, BadNode, ForeignNamespace, Node, audience
from pilothouse.mesh.identity import BadRule, Certificate, Identity, Unidentified, rules

SHOP = "spiffe://mesh.test/ns/shop/sa/web"


def mapped(text: str, *uris: str, dns: tuple[str, ...] = ()) -> str:
    return Identity(rules("map.yaml", text.encode())).namespace(Certificate(uris, dns))


def test_a_spiffe_id_names_the_namespace() -> None:
    assert Identity.spiffe().namespace(Certificate((SHOP,), ("web.data.svc",))) == "shop"


@pytest.mark.parametrize(
    "certificate",
    [
        Certificate(),
        Certificate((), ("web.shop.svc.cluster.local",)),
        Certificate((), (SHOP,)),  # a DNS name is no URI, whatever it looks like
        Certificate((SHOP, "spiffe://mesh.test/ns/data/sa/web")),
        Certificate((SHOP, SHOP)),
        Certificate((SHOP, "https://mesh.test")),
        Certificate((SHOP, "SPIFFE://mesh.test/ns/data/sa/web")),
        Certificate(("https://a.test", "https://b.test")),
        *(
            Certificate((uri,))
            for uri in (
                "spiffe://mesh.test/shop",
                "spiffe://mesh.test/ns/shop",
                "spiffe://mesh.test/ns/shop/sa/",
                "spiffe://mesh.test/ns/shop/sa/web/x",
                "spiffe://mesh.test/ns//sa/web",
                "spiffe://mesh.test/ns/Shop/sa/web",
                "spiffe://mesh.test/ns/shop%2F/sa/web",
                "spiffe://mesh.test/ns/shop/sa/web?x",
                "spiffe://mesh.test/ns/shop/sa/web#x",
                "spiffe://mesh.test//ns/shop/sa/web",
                "spiffe:///ns/shop/sa/web",
                "spiffe://mesh.test/x/ns/shop/sa/web",
                "https://mesh.test/ns/shop/sa/web",
                SHOP + "\n",
            )
        ),
    ],
)
def test_a_certificate_that_does_not_name_exactly_one_namespace_names_none(certificate: Certificate) -> None:
    with pytest.raises(Unidentified, match="the client's certificate "):
        Identity.spiffe().namespace(certificate)


def test_the_names_of_a_certificate_are_told_in_one_line_and_not_all_of_them() -> None:
    certificate = Certificate((), ("a\nb", *(f"{n}.test" for n in range(100))))
    with pytest.raises(Unidentified) as error:
        Identity.spiffe().namespace(certificate)
    assert str(error.value) == (
        "the client's certificate names no namespace: its names are "
        "'a\\nb', '0.test', '1.test', '2.test', '3.test', ..."
    )


MAP = """
spiffe://mesh.test/ns/{namespace}/sa/*:
spiffe://mesh.test/vm/*: legacy
"*.billing.test": billing
web.{namespace}.svc:
"""


@pytest.mark.parametrize(
    ("name", "namespace"),
    [
        (SHOP, "shop"),
        ("spiffe://mesh.test/vm/17", "legacy"),
        ("a.billing.test", "billing"),
        ("A.Billing.Test", "billing"),
        ("web.data.svc", "data"),
    ],
)
def test_a_map_says_which_names_are_of_which_namespace(name: str, namespace: str) -> None:
    uris, dns = ((name,), ()) if "://" in name else ((), (name,))
    assert mapped(MAP, *uris, dns=dns) == namespace


@pytest.mark.parametrize(
    ("uris", "dns"),
    [
        (("spiffe://other.test/ns/shop/sa/web",), ()),  # the map replaces the convention
        (("spiffe://mesh.test/vm/17/x",), ()),
        ((), ("a.b.billing.test",)),
        ((), ("billing.test",)),
        ((), ("a.billing.test", "web.data.svc")),
        ((SHOP,), ("a.billing.test",)),
        (("spiffe://mesh.test/vm/1", "spiffe://mesh.test/vm/2"), ()),
    ],
)
def test_what_no_rule_or_rules_of_several_namespaces_match_names_none(uris, dns) -> None:
    with pytest.raises(Unidentified):
        mapped(MAP, *uris, dns=dns)


def test_a_name_that_several_rules_give_one_namespace_is_clear() -> None:
    assert mapped("a.test: shop\nb.test: shop\n", dns=("a.test", "b.test")) == "shop"


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", "map.yaml:1: is not a mapping"),
        ("- a.test", "map.yaml:1: is not a mapping"),
        ("a: [", "map.yaml:1: not YAML: "),
        ("*.test: shop", "map.yaml:1: not YAML: "),
        ("a.test: shop\nb.test: {namespace}", "map.yaml:2: is not a name in certificates and a namespace"),
        ("a.test: shop\na.test: data", "map.yaml:2: 'a.test' is stated twice"),
        ("a.test:", "map.yaml:1: 'a.test' needs a namespace"),
        ("a.{namespace}.test: shop", "map.yaml:1: 'a.{namespace}.test' needs a namespace"),
        ("a.{namespace}.{namespace}:", "map.yaml:1: 'a.{namespace}.{namespace}' needs"),
        ("a.test: Shop", "map.yaml:1: 'Shop' is not a namespace"),
        ("a*.test: shop", "map.yaml:1: 'a*' is neither"),
        ("spiffe://mesh/x*: shop", "map.yaml:1: 'x*' is neither"),
        ("spiffe://mesh/: shop", "map.yaml:1: '' is neither"),
        ("a..test: shop", "map.yaml:1: '' is neither"),
        ("{a.test: shop, x{namespace}.test: }", "map.yaml:1: "),
    ],
)
def test_a_mistake_in_a_map_is_named_with_its_line(text: str, mistake: str) -> None:
    with pytest.raises(BadRule) as error:
        rules("map.yaml", text.encode())
    assert str(error.value).startswith(mistake)


def test_what_a_node_says_of_its_namespace_has_to_be_that_of_its_certificate() -> None:
    assert audience(Node(), bound="shop").namespace == "shop"
    assert audience(Node(metadata={"pilothouse": {"namespace": "shop"}}), bound="shop").namespace == "shop"
    assert audience(Node(), Admission("data"), bound="shop").namespace == "shop"


@pytest.mark.parametrize(
    "node",
    [
        Node(metadata={"pilothouse": {"namespace": "data"}}),
        Node(metadata={"NAMESPACE": "data"}),
        Node("sidecar~10.1.2.3~web-0.data~data.svc.cluster.local"),
    ],
)
def test_another_namespace_than_that_of_the_certificate_is_refused_in_whatever_way_it_is_said(node) -> None:
    with pytest.raises(ForeignNamespace, match="in the namespace data, its certificate is of shop"):
        audience(node, bound="shop")


def test_who_may_depend_on_everything_is_asked_of_the_certificate() -> None:
    admission = Admission(wildcards=frozenset({"ops"}))
    assert audience(Node(), admission, bound="ops").dependencies.services is None
    with pytest.raises(BadNode, match="a client in the namespace shop may not depend on everything"):
        audience(Node(), admission, bound="shop")
