"""A kind that is not read is somebody else's, or a mistake that is named."""

from __future__ import annotations

import pytest

from pilothouse.kubernetes.documents import read
from pilothouse.model.reasons import Reason

NAMED = "metadata: {name: a}"


@pytest.mark.parametrize(
    ("document", "line", "field", "hint"),
    [
        ("kind: Servce\napiVersion: v1", 1, "kind", 'did you mean "Service"?'),
        ("apiVersion: v1\nkind: service", 2, "kind", 'did you mean "Service"?'),
        ("apiVersion: v1\nkind: Frobnicator", 2, "kind", '"Frobnicator" is not a known kind of v1'),
        ("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlices", 2, "kind", '"EndpointSlice"?'),
        ("apiVersion: gateway.networking.k8s.io/v1\nkind: HttpRoute", 2, "kind", '"HTTPRoute"?'),
        (
            "apiVersion: discovery.k8s.io/v1beta1\nkind: EndpointSlice",
            1,
            "apiVersion",
            "discovery.k8s.io/v1 is",
        ),
        ("apiVersion: gateway.networking.k8s.io/v1alpha2\nkind: HTTPRoute", 1, "apiVersion", "v1beta1 is"),
        ("apiVersion: multicluster.x-k8s.io/v1\nkind: ServiceImport", 1, "apiVersion", "v1alpha1 is"),
        ("apiVersion: v2\nkind: Service", 1, "apiVersion", "Service of v1 is"),
        ("apiVersion: v1\nkind: EndpointSlice", 1, "apiVersion", "discovery.k8s.io/v1, not of v1"),
        ("apiVersion: apps/v1\nkind: Service", 1, "apiVersion", "Service is of v1"),
        (
            "apiVersion: gateway.network.k8s.io/v1\nkind: HTTPRoute",
            1,
            "apiVersion",
            '"gateway.networking.k8s.io/v1"?',
        ),
    ],
)
def test_a_kind_or_version_that_seems_misspelt_is_warned_of(document, line, field, hint) -> None:
    contents = read(f"{document}\n{NAMED}\n".encode())
    assert (contents.declared, contents.ignored, contents.errors) == ((), (), ())
    (warning,) = contents.warnings
    assert (warning.place.line, warning.place.field) == (line, field)
    assert warning.reason is Reason.UNSUPPORTED_KIND
    assert hint in warning.message


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("v1", "ConfigMap"),
        ("v1", "Secret"),
        ("apps/v1", "Deployment"),
        ("networking.k8s.io/v1", "Ingress"),
        ("gateway.networking.k8s.io/v1", "Gateway"),
        ("gateway.networking.k8s.io/v1alpha2", "UDPRoute"),
        ("multicluster.x-k8s.io/v1alpha1", "ServiceExport"),
        ("serving.knative.dev/v1", "Service"),
        ("policy.linkerd.io/v1beta3", "HTTPRoute"),
        ("example.com/v1", "Servce"),
    ],
)
def test_a_kind_of_somebody_else_is_left_out_without_a_warning(version, kind) -> None:
    contents = read(f"apiVersion: {version}\nkind: {kind}\n{NAMED}\n".encode())
    assert contents.warnings == ()
    (ignored,) = contents.ignored
    assert ignored.omission == (Reason.UNSUPPORTED_KIND, f"{kind} of {version}", "plays no part in routing")
