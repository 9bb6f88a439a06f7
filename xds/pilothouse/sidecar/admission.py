"""What the API server is answered about a pod that is being created (admission.k8s.io/v1). Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import NamedTuple

from pilothouse.kubernetes.fields import FieldError, Fields
from pilothouse.sidecar.containers import Values
from pilothouse.sidecar.injection import Injected, Skipped, inject
from pilothouse.sidecar.wishes import Template

_VERSION, _KIND = "admission.k8s.io/v1", "AdmissionReview"
_OTHER = Skipped("")
_INVALID = 422


class NoReview(ValueError):
    """A request that is no AdmissionReview of a pod's creation, or one of a pod that cannot be read."""


class Verdict(NamedTuple):
    """What is answered: an AdmissionReview. `pod` names the pod, `outcome` is what is done, for the log."""

    answer: Values
    pod: str
    outcome: Injected | Skipped | FieldError


def review(asked: object, template: Template) -> Verdict:
    """The answer to an AdmissionReview. A pod is refused only for an annotation that makes no sense.

    Whatever else the API server may ask about is let in as it is. Raises NoReview.
    """
    try:
        request = Fields(asked).at("request")
        uid, namespace = request.required("uid"), request.text("namespace")
        outcome = _outcome(request, namespace, template)
        name = _name(request.at("object").at("metadata"))
    except FieldError as error:
        raise NoReview(f"is no {_KIND}: {error}") from None
    response = {"uid": uid, **_response(outcome, request)}
    answer = {"apiVersion": _VERSION, "kind": _KIND, "response": response}
    return Verdict(answer, f"{namespace}/{name}", outcome)


def _outcome(request: Fields, namespace: str, template: Template) -> Injected | Skipped | FieldError:
    """Raises FieldError if anything else than an annotation cannot be read."""
    # A subresource is a part of a pod that is there already, such as its ephemeral containers.
    if (request.at("kind").text("kind"), request.text("operation"), request.text("subResource")) != (
        "Pod",
        "CREATE",
        "",
    ):
        return _OTHER
    # As the object of a review a pod need not name its namespace, and has its name only if it was given one.
    pod = Fields(request.at("object").values)
    try:
        return inject(pod, namespace, template)
    except FieldError as error:
        if error.path[:2] != ("metadata", "annotations"):
            raise
        return error


def _name(metadata: Fields) -> str:
    """That of a pod which Kubernetes is still to name ends in a star."""
    return metadata.text("name") or f"{metadata.text('generateName')}*"


def _response(outcome: Injected | Skipped | FieldError, request: Fields) -> Values:
    match outcome:
        case FieldError():
            return {"allowed": False, "status": {"code": _INVALID, "message": f"pilothouse: {outcome}"}}
        case Skipped():
            return {"allowed": True, **_warned([f"no sidecar: the pod {outcome.why}"] * outcome.warning)}
        case Injected():
            patch = json.dumps(_patch(request.at("object").at("spec"), outcome)).encode()
            encoded = base64.b64encode(patch).decode()
            return {
                "allowed": True,
                "patchType": "JSONPatch",
                "patch": encoded,
                **_warned(outcome.warnings),
            }


def _warned(warnings: Iterable[str]) -> Values:
    found = [f"pilothouse: {each}" for each in warnings]
    return {"warnings": found} if found else {}


def _patch(before: Fields, injected: Injected) -> list[Values]:
    """What is different of the spec. To add a field that is there replaces it (RFC 6902, 4.1)."""
    return [
        {"op": "add", "path": f"/spec/{field}", "value": value}
        for field, value in injected.pod["spec"].items()
        if before.anything(field) != value
    ]
