"""An annotation with our prefix that says nothing is warned of."""

from __future__ import annotations

import pytest

from pilothouse.kubernetes.documents import read

OBJECT = "apiVersion: {version}\nkind: {kind}\nmetadata:\n  name: a\n  {meta}\n{rest}\n"
SERVICE = {"version": "v1", "kind": "Service", "rest": "spec: {ports: [{port: 80}]}"}
NAMESPACE = {"version": "v1", "kind": "Namespace", "rest": ""}
DEPLOYMENT = {"version": "apps/v1", "kind": "Deployment", "rest": ""}


@pytest.mark.parametrize(
    ("of", "meta", "message"),
    [
        (SERVICE, "annotations: {pilothouse.dev/wieght: 5}", 'did you mean "pilothouse.dev/weight"?'),
        (SERVICE, "annotations: {pilothouse.dev/colour: red}", "is not an annotation of Pilothouse"),
        (SERVICE, "annotations: {pilothouse.dev/locality: eu}", "is ignored on a Service: it is for Pod"),
        (
            NAMESPACE,
            "annotations: {pilothouse.dev/weight: '5'}",
            "for Pod, EndpointSlice, Endpoints, Service",
        ),
        (DEPLOYMENT, "annotations: {pilothouse.dev/weight: '5'}", "is ignored on a Deployment"),
        (SERVICE, "labels: {pilothouse.dev/weight: '5'}", "is a label"),
    ],
)
def test_an_annotation_that_says_nothing_is_warned_of_on_its_line(of, meta, message) -> None:
    contents = read(OBJECT.format(meta=meta, **of).encode())
    (warning,) = contents.warnings
    assert warning.place.line == 5
    assert message in warning.message


def test_the_annotations_of_others_are_nobodys_mistake() -> None:
    meta = "annotations: {example.com/pilothouse: a, kubectl.kubernetes.io/last-applied-configuration: '{}'}"
    assert read(OBJECT.format(meta=meta, **SERVICE).encode()).warnings == ()


def test_an_annotation_that_makes_no_sense_has_its_line_in_a_list_too() -> None:
    item = OBJECT.format(meta="annotations: {pilothouse.dev/weight: many}", **SERVICE).replace("\n", "\n  ")
    (warning,) = read(f"apiVersion: v1\nkind: List\nitems:\n- {item}".encode()).warnings
    assert warning.place.line == 8
    assert warning.place.field == "items[0].metadata.annotations[pilothouse.dev/weight]"
