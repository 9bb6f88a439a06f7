"""What the API server is answered about a pod."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from pilothouse.kubernetes.annotations.sidecars import DEPENDENCIES, INJECT
from pilothouse.sidecar.admission import NoReview, review
from pilothouse.sidecar.containers import ENVOY, RULES
from pilothouse.sidecar.injection import Injected
from pilothouse.sidecar.wishes import Template
from pilothouse.structures.hostport import HostPort

TEMPLATE = Template("envoy:1", "pilothouse:1", HostPort("pilothouse.pilothouse.svc", 18000), ca="mesh-ca")
FOLDER = Path(__file__).with_name("reviewed")


def asked(annotations: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A review as the API server sends it; of a pod that it is still to name."""
    pod = {
        "metadata": {"generateName": "web-", "creationTimestamp": None, "annotations": annotations},
        "spec": {"containers": [{"name": "web"}], **spec},
    }
    request = {
        "uid": "u-1",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "operation": "CREATE",
        "namespace": "shop",
        "object": pod,
        "oldObject": None,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def answered(annotations: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    found = review(asked(annotations, **spec), TEMPLATE).answer
    assert (found["apiVersion"], found["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    return found["response"]


def patch_of(response: dict[str, Any]) -> dict[str, Any]:
    """The values of a patch, by their paths."""
    operations = json.loads(base64.b64decode(response["patch"]))
    assert {each["op"] for each in operations} == {"add"}
    return {each["path"]: each["value"] for each in operations}


@pytest.mark.parametrize("name", ["web", "on-its-node", "refused"])
def test_a_review_is_answered_as_it_stands_in_the_file(name: str) -> None:
    answer = review(json.loads((FOLDER / f"{name}.json").read_text()), TEMPLATE).answer
    if patch := answer["response"].get("patch"):
        answer["response"]["patch"] = json.loads(base64.b64decode(patch))
    assert answer == json.loads((FOLDER / f"{name}.answer.json").read_text())


def test_a_pod_is_patched_where_it_changes_and_nowhere_else() -> None:
    response = answered(volumes=[{"name": "data"}])
    assert (response["uid"], response["allowed"], response["patchType"]) == ("u-1", True, "JSONPatch")
    patch = patch_of(response)
    assert patch.keys() == {"/spec/initContainers", "/spec/volumes"}
    assert patch["/spec/initContainers"][0]["name"] == RULES
    assert [each["name"] for each in patch["/spec/volumes"]] == ["data", "pilothouse-ca"]


def test_a_pod_that_was_patched_is_not_patched_again() -> None:
    first = review(asked(), TEMPLATE)
    assert isinstance(first.outcome, Injected)
    assert answered(**first.outcome.pod["spec"]) == {"uid": "u-1", "allowed": True}


def test_the_sidecar_is_of_the_namespace_that_the_request_names() -> None:
    envoy = patch_of(answered())["/spec/initContainers"][1]
    assert envoy["name"] == ENVOY
    assert '"namespace": "shop"' in envoy["args"][1]


def test_a_pod_that_opts_out_is_let_in_as_it_is() -> None:
    assert answered({INJECT: "false"}) == {"uid": "u-1", "allowed": True}


def test_a_pod_on_the_network_of_its_node_is_let_in_with_a_warning() -> None:
    response = answered(hostNetwork=True)
    assert response["allowed"] is True
    assert "patch" not in response
    (warning,) = response["warnings"]
    assert "dnsPolicy: ClusterFirstWithHostNet" in warning
    assert len(warning) < 256, "the API server would cut it"


@pytest.mark.parametrize(
    ("annotation", "value", "mistake"),
    [(INJECT, "perhaps", "'perhaps' is neither true nor false"), (DEPENDENCIES, "a/b/c", "item [0]: ")],
)
def test_a_pod_whose_annotation_makes_no_sense_is_refused_by_its_name(annotation, value, mistake) -> None:
    response = answered({annotation: value})
    assert response["allowed"] is False
    message = response["status"]["message"]
    assert message.startswith(f"pilothouse: metadata.annotations[{annotation}]: {mistake}")


@pytest.mark.parametrize(
    "other",
    [
        {"operation": "UPDATE"},
        {"operation": "UPDATE", "subResource": "ephemeralcontainers"},
        {"operation": "DELETE", "object": None},
        {"kind": {"group": "apps", "version": "v1", "kind": "Deployment"}},
    ],
)
def test_whatever_is_no_new_pod_is_let_in_as_it_is(other: dict[str, Any]) -> None:
    question = asked({INJECT: "perhaps"})
    question["request"] |= other
    assert review(question, TEMPLATE).answer["response"] == {"uid": "u-1", "allowed": True}


def test_a_dry_run_is_answered_as_any_other() -> None:
    question = asked()
    question["request"]["dryRun"] = True
    assert review(question, TEMPLATE) == review(asked(), TEMPLATE)


def test_a_pod_is_named_as_far_as_it_has_a_name() -> None:
    question = asked()
    assert review(question, TEMPLATE).pod == "shop/web-*"
    question["request"]["object"]["metadata"]["name"] = "web-0"
    assert review(question, TEMPLATE).pod == "shop/web-0"


@pytest.mark.parametrize(
    "nonsense", [None, [], "x", {}, {"request": {}}, {"request": {"uid": 1}}, {"request": []}]
)
def test_what_is_no_review_is_refused_as_a_whole(nonsense: object) -> None:
    with pytest.raises(NoReview):
        review(nonsense, TEMPLATE)


def test_a_pod_that_no_api_server_would_send_is_no_reason_to_refuse_it() -> None:
    with pytest.raises(NoReview, match=r"spec\.initContainers: is the number 7, not a list"):
        review(asked(initContainers=7), TEMPLATE)
