"""By which labels endpoints can be chosen, and which are."""

from __future__ import annotations

import pytest

from pilothouse.kubernetes.join import Cluster
from pilothouse.model.services import ServiceName

from ..gateway.test_gateway import http_route
from ..objects.test_services import annotated


@pytest.mark.parametrize(
    ("text", "labels", "warnings"),
    [
        ("version", ("version",), 0),
        ("version, example.com/track , version", ("example.com/track", "version"), 0),
        ("version, a b, hostname", ("version",), 2),
        ("d, c, b, a", ("b", "c", "d"), 1),
        ("", (), 0),
    ],
)
def test_a_service_says_by_which_labels_it_is_divided(parsed, text, labels, warnings) -> None:
    found = parsed(annotated(subset_labels=text))
    assert found.object.policy.subset_labels == labels
    assert len(found.warnings) == warnings
    assert all("pilothouse.dev/subset-labels" in str(warning) for warning in found.warnings)


def divided_route(parsed, text: str, kind: str = "HTTPRoute"):
    document = http_route().replace("HTTPRoute", kind)
    named = f"metadata: {{annotations: {{pilothouse.dev/subset: '{text}'}}, "
    return parsed(document.replace("metadata: {", named))


def test_a_route_says_of_which_subset_its_backends_are(parsed) -> None:
    found = divided_route(parsed, "version=v2, track=canary")
    assert [rule.subset for rule in found.object.rules] == [(("track", "canary"), ("version", "v2"))]
    assert found.warnings == ()


@pytest.mark.parametrize(
    "text", ["", "v2", "version=", "=v2", "version=v1, version=v2", "hostname=a", "a b=c"]
)
def test_a_subset_that_makes_no_sense_is_not_everything(parsed, text) -> None:
    found = divided_route(parsed, text)
    assert all(rule.unsupported and not rule.backends for rule in found.object.rules)
    assert ["pilothouse.dev/subset" in str(warning) for warning in found.warnings] == [True]


def test_routes_of_connections_choose_no_subset(parsed) -> None:
    found = divided_route(parsed, "version=v2", "TCPRoute")
    assert all(rule.unsupported for rule in found.object.rules)


def test_endpoints_have_the_labels_of_their_pods_that_their_service_is_divided_by(parsed) -> None:
    slice_ = """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: a, namespace: shop, labels: {kubernetes.io/service-name: payments}}
addressType: IPv4
ports: [{port: 80}]
endpoints:
- {addresses: [10.0.0.1], targetRef: {kind: Pod, namespace: shop, name: one}}
- {addresses: [10.0.0.2]}
"""
    pod = "{apiVersion: v1, kind: Pod, metadata: {name: one, namespace: shop, labels: {app: p, version: %s}}}"
    cluster, name = Cluster(), ServiceName("shop", "payments")

    def labels(text: str) -> list[tuple[tuple[str, str], ...]]:
        cluster.apply([parsed(text).object])
        return [endpoint.labels for endpoint in cluster.service(name).endpoints]

    cluster.apply([parsed(slice_).object, parsed(pod % "v1").object])
    assert labels(annotated(subset_labels="version, track")) == [(("version", "v1"),), ()]
    assert labels(pod % "v2") == [(("version", "v2"),), ()]
    assert labels(annotated()) == [(), ()]
