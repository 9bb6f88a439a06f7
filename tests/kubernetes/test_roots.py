"""A path can say the namespace of the objects in it that state none."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilothouse.kubernetes.documents import Contents, read
from pilothouse.kubernetes.objects.types import Key
from pilothouse.kubernetes.roots import Namespaces, Root

OBJECTS = """\
{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: 80}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: b, namespace: data}, spec: {ports: [{port: 80}]}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: c}}
"""


def test_only_what_states_no_namespace_and_needs_one_is_in_it() -> None:
    found = read(OBJECTS.encode(), Contents(), "shop").declared
    assert [declared.object.key for declared in found] == [
        Key("Service", "shop", "a"),
        Key("Service", "data", "b"),
        Key("Namespace", "", "c"),
    ]


@pytest.mark.parametrize(
    ("text", "root"),
    [
        ("m=shop", Root(Path("m"), "shop")),
        ("m", Root(Path("m"), "default")),
        ("a=b=shop", Root(Path("a=b"), "shop")),
        ("a=b/m", Root(Path("a=b/m"), "default")),
    ],
)
def test_a_root_is_a_path_and_a_namespace(text, root) -> None:
    assert Root.parse(text) == root


def test_what_exists_is_a_path(tmp_path: Path) -> None:
    (tmp_path / "m=shop").mkdir()
    assert Root.parse(f"{tmp_path}/m=shop") == Root(tmp_path / "m=shop")


@pytest.mark.parametrize("text", ["m=", "=shop", "m=Shop", "m=a.b"])
def test_what_is_no_namespace_is_refused(text) -> None:
    with pytest.raises(ValueError, match="is not PATH=NAMESPACE"):
        Root.parse(text)


def test_of_several_roots_around_a_file_the_innermost_counts() -> None:
    namespaces = Namespaces(
        [Root(Path("/m"), "all"), Root(Path("/m/shop"), "shop"), Root(Path("/m/f.yaml"), "f")]
    )
    assert [
        namespaces.of(file) for file in ("/m/a.yaml", "/m/shop/a.yaml", "/m/shops/a.yaml", "/m/f.yaml", "/x")
    ] == [
        "all",
        "shop",
        "all",
        "f",
        "default",
    ]
