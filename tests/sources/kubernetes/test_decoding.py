"""What an API server says becomes the same objects as what a manifest says."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from pilothouse.apiserver.answers import Unreadable, bookmark, event, page, status
from pilothouse.kubernetes.fields import Fields
from pilothouse.kubernetes.gateway.backends import GROUP, MULTICLUSTER
from pilothouse.kubernetes.objects.types import Key, Pod
from pilothouse.kubernetes.parse import Parsed, parse
from pilothouse.model.routing import RouteKind
from pilothouse.sources.kubernetes.decoding import Decoder
from pilothouse.sources.kubernetes.resources import BUILT_IN, PODS, Resource, installed

SLICES = next(resource for resource in BUILT_IN if resource.kind == "EndpointSlice")
NAMES = st.sampled_from(["a", "b-1", "Web"])


def some(**fields):
    """A mapping of which each field may be there, be null or not be there."""
    return st.fixed_dictionaries({}, optional={name: st.none() | each for name, each in fields.items()})


ENDPOINTS = st.fixed_dictionaries(
    {
        "addresses": st.lists(
            st.sampled_from(["10.0.0.1", "10.0.0.2", "fd00::1", "127.0.0.1", "x"]), max_size=2
        )
    },
    optional={
        "conditions": st.none() | some(ready=st.booleans(), serving=st.booleans(), terminating=st.booleans()),
        "targetRef": st.none()
        | some(kind=st.sampled_from(["Pod", "VM"]), name=NAMES, namespace=NAMES, uid=NAMES),
        "nodeName": st.none() | NAMES,
        "zone": st.none() | NAMES,
        "hostname": st.none() | NAMES,
        "hints": st.none() | some(forZones=st.lists(st.fixed_dictionaries({"name": NAMES}))),
        "deprecatedTopology": st.none() | st.just({"topology.kubernetes.io/zone": "t"}),
        "surprise": st.integers(),
    },
)
LABELS = st.dictionaries(
    st.sampled_from(
        [
            "kubernetes.io/service-name",
            "multicluster.kubernetes.io/service-name",
            "endpointslice.kubernetes.io/managed-by",
            "pilothouse.dev/weight",
        ]
    ),
    st.sampled_from(["payments", "", "endpointslicemirroring-controller.k8s.io"]),
)
DOCUMENTS = st.fixed_dictionaries(
    {
        "metadata": st.fixed_dictionaries(
            {"name": st.just("s-1"), "namespace": st.just("shop"), "resourceVersion": st.just("7")},
            optional={
                "labels": st.none() | LABELS,
                "annotations": st.none() | st.just({"pilothouse.dev/weight": "5"}) | st.just({"other": "x"}),
                "creationTimestamp": st.sampled_from(
                    [None, "2026-01-02T03:04:05Z", "2026-01-02T03:04:05+01:00", "x"]
                ),
                "ownerReferences": st.just([{"kind": "Service", "name": "owner", "apiVersion": "v1"}]),
                "managedFields": st.just([{"manager": "x"}]),
            },
        ),
        "addressType": st.sampled_from(["IPv4", "IPv6", "FQDN", "IPX"]),
        "endpoints": st.none() | st.lists(ENDPOINTS, max_size=3),
    },
    optional={
        "ports": st.none()
        | st.lists(
            some(
                name=NAMES,
                port=st.integers(-1, 70000),
                protocol=st.sampled_from(["TCP", "UDP", "XCP"]),
                appProtocol=NAMES,
            ),
            max_size=2,
        )
    },
)


SERVICES = st.fixed_dictionaries(
    {
        "metadata": st.fixed_dictionaries(
            {
                "name": st.sampled_from(["a", "b-1", "Web", "a.b"]),
                "namespace": st.just("shop"),
                "resourceVersion": st.just("7"),
            },
            optional={
                "labels": st.none() | st.just({"app": "a"}) | st.just({"pilothouse.dev/weight": "5"}),
                "annotations": st.none() | st.just({"pilothouse.dev/weight": "5"}) | st.just({"other": "x"}),
                "creationTimestamp": st.sampled_from([None, "2026-01-02T03:04:05Z", "x"]),
                "managedFields": st.just([{"manager": "x"}]),
            },
        ),
        "spec": some(
            type=st.sampled_from(["ClusterIP", "NodePort", "ExternalName", "X"]),
            externalName=st.just("a.example"),
            clusterIP=st.sampled_from(["10.96.0.1", "None", "", "x", "127.0.0.1"]),
            clusterIPs=st.lists(
                st.sampled_from(["10.96.0.1", "FD00:0::1", "None", "0.0.0.0", "010.0.0.1"]), max_size=2
            ),
            ports=st.lists(
                some(
                    name=NAMES | st.sampled_from(["http-a", "-"]),
                    port=st.sampled_from([80, 3306, 0]),
                    protocol=st.sampled_from(["TCP", "UDP", "XCP"]),
                    appProtocol=st.sampled_from(["kubernetes.io/h2c", "https"]),
                    targetPort=st.sampled_from([8080, "web", "80", 0, True]),
                    nodePort=st.integers(30000, 30010),
                ),
                min_size=1,
                max_size=2,
            ),
            selector=st.sampled_from([{}, {"app": "a"}, {"app": "b"}]),
            internalTrafficPolicy=st.sampled_from(["Cluster", "Local", "X"]),
            trafficDistribution=st.sampled_from(["PreferClose", "PreferSameNode"]),
            ipFamilies=st.lists(st.sampled_from(["IPv4", "IPv6"]), max_size=2),
            sessionAffinity=st.sampled_from(["None", "ClientIP"]),
            sessionAffinityConfig=st.just({"clientIP": {"timeoutSeconds": 5}}),
            surprise=st.integers(),
        ),
    }
)


def said(parsed):
    """All of it; errors are compared by their texts."""
    return parsed.object, parsed.ignored, [*map(str, parsed.warnings)], [*map(str, parsed.errors)]


@given(DOCUMENTS)
def test_a_slice_is_read_by_its_types_as_it_is_from_a_manifest(document):
    found = Decoder(SLICES).found(Raw(json.dumps(document).encode()))
    whole = {"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1", **document}
    assert said(found.parsed) == said(parse(Fields(whole), "shop", accepted=True))
    assert (found.key, found.version) == (Key("EndpointSlice", "shop", "s-1"), "7")


@given(SERVICES, st.lists(SERVICES, max_size=3))
def test_a_service_is_read_by_those_before_it_as_it_is_from_a_manifest(document, before):
    decoder, meta = Decoder(BUILT_IN[0]), document["metadata"]
    # Those before it have the same ports, so that some of them have the same shape.
    same = [{**each, "spec": {**each["spec"], "ports": document["spec"].get("ports")}} for each in before]
    renamed = {**document, "metadata": {**meta, "name": "other"}}
    for each in [*same, renamed, document]:
        found = decoder.found(Raw(json.dumps(each).encode()))
        whole = {"kind": "Service", "apiVersion": "v1", **each}
        assert said(found.parsed) == said(parse(Fields(whole), "shop", accepted=True))
        assert (found.key, found.version) == (Key("Service", "shop", each["metadata"]["name"]), "7")


@given(
    some(
        annotations=st.just({"pilothouse.dev/weight": "5"}) | st.just({"pilothouse.dev/locality": "a/b"}),
        labels=st.dictionaries(NAMES, NAMES),
        creationTimestamp=st.just("2026-01-02T03:04:05Z"),
    )
)
def test_of_a_pod_is_kept_what_it_says_to_us_and_the_labels_that_are_asked_for(meta):
    document = {"metadata": {"name": "p", "namespace": "shop", **meta}}
    found = Decoder(PODS, frozenset({"a"})).found(Raw(json.dumps(document).encode())).parsed.object
    labels = meta.get("labels") or {}
    assert (found is None) == (not meta.get("annotations") and "a" not in labels)
    if found is not None:
        assert isinstance(found, Pod)
        assert [value for name, value in found.labels if name == "a"] == (
            [labels["a"]] if "a" in labels else []
        )
        assert found.weight == (5 if "pilothouse.dev/weight" in (meta.get("annotations") or {}) else None)


def test_a_field_that_is_unknown_here_is_newer_and_no_mistake():
    document = {
        "metadata": {"name": "a", "namespace": "shop"},
        "spec": {"ports": [{"port": 80}], "newest": 1},
    }
    found = Decoder(BUILT_IN[0]).found(Raw(json.dumps(document).encode()))
    assert found.parsed.object
    assert found.parsed.warnings == ()


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"metadata": 7}', '{"metadata": {}}', '{"metadata": {"name": 7}}', "\xff"]
)
def test_what_has_no_name_cannot_be_read(text):
    with pytest.raises(Unreadable, match="an object cannot be read"):
        Decoder(PODS).found(Raw(text.encode("latin-1")))


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"metadata": 1, "items": []}', b"\xff"])
def test_what_is_no_list_and_no_event_cannot_be_read(text):
    with pytest.raises(Unreadable, match="the list cannot be read"):
        page(text)
    with pytest.raises(Unreadable, match="an event cannot be read"):
        event(text)
    assert status(text).message == ""


def test_a_bookmark_may_end_the_beginning():
    meta = {"resourceVersion": "7", "creationTimestamp": None}
    assert bookmark(Raw(json.dumps({"metadata": meta}).encode())) == ("7", False)
    ends = {**meta, "annotations": {"k8s.io/initial-events-end": "true"}}
    assert bookmark(Raw(json.dumps({"metadata": ends}).encode())) == ("7", True)
    assert bookmark(Raw(b"{}")) == ("", False)


def test_of_several_versions_of_a_kind_the_best_known_one_is_read():
    served = {
        "v1": ["HTTPRoute"],
        "v1beta1": ["HTTPRoute", "ReferenceGrant"],
        "v1alpha2": ["TCPRoute", "XRoute"],
    }
    found = [*installed(GROUP, served)]
    assert found == [
        Resource("HTTPRoute", "httproutes", "gateway.networking.k8s.io/v1"),
        Resource("TCPRoute", "tcproutes", "gateway.networking.k8s.io/v1alpha2"),
        Resource("ReferenceGrant", "referencegrants", "gateway.networking.k8s.io/v1beta1"),
    ]
    assert found[0].path("shop") == "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes"
    assert str(found[0]) == "httproutes.gateway.networking.k8s.io"


def test_every_kind_of_route_is_read():
    kinds = {kind.value for kind in RouteKind} | {"ReferenceGrant"}
    assert {each.kind for each in installed(GROUP, {"v1": [*kinds]})} == kinds


def test_of_the_mcs_api_imports_are_read():
    served = {each: ["ServiceExport", "ServiceImport"] for each in ("v1alpha1", "v1beta1")}
    found = Resource("ServiceImport", "serviceimports", "multicluster.x-k8s.io/v1beta1")
    assert [*installed(MULTICLUSTER, served)] == [found]
    older = Resource("ServiceImport", "serviceimports", "multicluster.x-k8s.io/v1alpha1")
    assert [*installed(MULTICLUSTER, {"v1alpha1": served["v1alpha1"]})] == [older]


def test_a_pod_that_says_nothing_is_nothing():
    found = Decoder(PODS).found(Raw(b'{"metadata": {"name": "p", "namespace": "shop"}}'))
    assert found.parsed == Parsed()
