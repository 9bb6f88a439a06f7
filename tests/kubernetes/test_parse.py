from __future__ import annotations

import pytest

from pilothouse.kubernetes.objects.types import Node, Pod
from pilothouse.model.reasons import Reason
from pilothouse.model.services import Locality


@pytest.mark.parametrize(
    ("labels", "locality"),
    [
        (
            "topology.kubernetes.io/region: r, topology.kubernetes.io/zone: z, topology.istio.io/subzone: s",
            Locality("r", "z", "s"),
        ),
        (
            "failure-domain.beta.kubernetes.io/region: r, failure-domain.beta.kubernetes.io/zone: z",
            ("r", "z"),
        ),
        (
            "topology.kubernetes.io/zone: new, failure-domain.beta.kubernetes.io/zone: old",
            Locality("", "new"),
        ),
        ("topology.istio.io/subzone: i, topology.pilothouse.dev/subzone: p", Locality("", "", "p")),
        ("", Locality()),
    ],
)
def test_a_node_is_where_its_labels_say(parsed, labels, locality):
    node = parsed(
        f"{{apiVersion: v1, kind: Node, metadata: {{name: n.example, labels: {{{labels}}}}}}}"
    ).object
    assert node == Node("n.example", locality if isinstance(locality, Locality) else Locality(*locality))
    assert node.key == ("Node", "", "n.example")


def test_a_pod_is_what_its_annotations_say(parsed):
    text = "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: shop, annotations: {%s}}}"
    annotations = "pilothouse.dev/weight: 5, pilothouse.dev/locality: r/z/s"
    assert parsed(text % annotations).object == Pod("shop", "p", 5, Locality("r", "z", "s"))
    assert parsed(text % "").object == Pod("shop", "p")


@pytest.mark.parametrize(
    "document",
    [
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: shop}}",
        "{apiVersion: apps/v1, kind: Deployment}",
        "{apiVersion: serving.knative.dev/v1, kind: Service}",
    ],
)
def test_other_kinds_and_versions_are_told_apart_and_ignored(parsed, document):
    found = parsed(document)
    assert found.object is None
    assert found.ignored.reason is Reason.UNSUPPORTED_KIND
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{apiVersion: v1}", "kind: is required"),
        ("{apiVersion: v1, kind: Serv}", "metadata.name: is required"),
        ("{apiVersion: discovery.k8s.io/v1, kind: Endpoint}", "metadata.name: is required"),
        ("{kind: Service}", "apiVersion: is required"),
        ("{apiVersion: 1, kind: Service}", "apiVersion: is the number 1, not a string: put it in quotes"),
        ("just text", 'is the string "just text", not a mapping of fields'),
        ("[1]", "is a list, not a mapping of fields"),
    ],
)
def test_a_document_that_is_no_object_is_refused(refused, document, message):
    assert refused(document) == message
