"""What a Namespace says for its services that do not say it themselves."""

from __future__ import annotations

from itertools import permutations

import pytest

from pilothouse.kubernetes.join import Cluster
from pilothouse.kubernetes.objects.types import Key, Object
from pilothouse.model.services import ServiceName

EXPORT_TO = "pilothouse.dev/export-to"


def document(kind: str, name: str, export_to: str | None = None) -> str:
    said = f"{{{EXPORT_TO}: '{export_to}'}}" if export_to is not None else "{}"
    place = "" if kind == "Namespace" else "namespace: shop, "
    ports = "" if kind == "Namespace" else ", spec: {ports: [{port: 80}]}"
    return f"{{apiVersion: v1, kind: {kind}, metadata: {{{place}name: {name}, annotations: {said}}}{ports}}}"


@pytest.fixture
def objects(parsed) -> list[Object]:
    said = (("Namespace", "shop", ".,web"), ("Service", "quiet"), ("Service", "loud", "*"))
    return [parsed(document(*each)).object for each in said]


def exports(cluster: Cluster) -> list[frozenset[str] | None]:
    return [cluster.service(ServiceName("shop", name)).spec.exported_to for name in ("quiet", "loud")]


@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_a_service_that_does_not_say_it_is_exported_as_its_namespace_says(objects, order) -> None:
    cluster = Cluster()
    for index in order:
        cluster.apply([objects[index]])
    assert exports(cluster) == [{"shop", "web"}, None]


def test_a_namespace_that_changes_its_mind_changes_its_services(objects, parsed) -> None:
    cluster = Cluster()
    cluster.apply(objects)
    both = {ServiceName("shop", name) for name in ("quiet", "loud")}
    for text, exported in (("~", frozenset()), ("*", None), ("data", {"data"}), (None, None)):
        changed = parsed(document("Namespace", "shop", text)).object
        assert cluster.apply([changed]) == both
        assert exports(cluster) == [exported, None]
    assert cluster.apply([], [Key("Namespace", "", "shop")]) == set()
    cluster.apply(objects)
    assert cluster.apply([], [Key("Namespace", "", "shop")]) == both
    assert exports(cluster) == [None, None]


def test_endpoints_that_come_and_go_leave_the_spec_the_same_object(objects) -> None:
    cluster, name = Cluster(), ServiceName("shop", "quiet")
    cluster.apply(objects)
    assert cluster.service(name).spec is cluster.service(name).spec
