from __future__ import annotations

from textwrap import indent

import pytest

from pilothouse.kubernetes.objects.slices import state
from pilothouse.kubernetes.objects.types import EndpointSlice, Entry
from pilothouse.model.reasons import Reason
from pilothouse.model.services import ServiceName, State

READY, NOT_READY = State.READY, State.NOT_READY
SERVING, TERMINATING = State.TERMINATING_SERVING, State.TERMINATING

OWNED = "labels: {kubernetes.io/service-name: payments}"


def manifest(body: str, metadata: str = OWNED, family: str = "IPv4") -> str:
    return (
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
        f"metadata:\n  name: payments-1\n  namespace: shop\n{indent(metadata, '  ')}\n"
        f"addressType: {family}\n{body}\n"
    )


@pytest.mark.parametrize(
    ("ready", "serving", "terminating", "expected"),
    [
        (None, None, None, READY),
        (None, False, None, READY),
        (None, None, True, READY),
        (True, None, None, READY),
        (True, True, False, READY),
        # publishNotReadyAddresses: ready even while it terminates.
        (True, True, True, READY),
        (True, False, True, READY),
        (False, None, None, NOT_READY),
        (False, None, False, NOT_READY),
        (False, True, None, NOT_READY),
        (False, True, False, NOT_READY),
        (False, False, False, NOT_READY),
        (False, True, True, SERVING),
        (False, False, True, TERMINATING),
        # serving nil is what ready is.
        (False, None, True, TERMINATING),
    ],
)
def test_conditions_are_read_as_the_api_defines_nil(ready, serving, terminating, expected):
    assert state(ready, serving, terminating) is expected


def test_a_slice_keeps_what_routing_needs(parsed):
    found = parsed(
        manifest(
            "ports:\n- {name: http, port: 8080, protocol: TCP, appProtocol: http}\n- {port: null}\n"
            "endpoints:\n- addresses: [10.0.0.1, 10.0.0.2]\n  conditions: {ready: false}\n  nodeName: n1\n"
            "  zone: z1\n  hostname: payments-0\n"
            "  hints: {forZones: [{name: z2}, {name: z1}], forNodes: [{name: n1}]}\n"
            "  targetRef: {kind: Pod, namespace: shop, name: payments-0, uid: u1}\n"
            "- addresses: [10.0.0.3]\n",
            OWNED + "\ncreationTimestamp: 2026-01-02T03:04:05Z",
        )
    )
    said = NOT_READY, "n1", "z1", "payments-0", "shop/payments-0", "u1", ("z1", "z2"), ("n1",)
    assert found.object == EndpointSlice(
        "shop",
        "payments-1",
        "payments",
        (("http", 8080), ("", None)),
        (
            Entry("10.0.0.1", *said),
            Entry("10.0.0.2", *said),
            Entry("10.0.0.3"),
        ),
        created="2026-01-02T03:04:05Z",
    )
    assert found.object.service == ServiceName("shop", "payments")


@pytest.mark.parametrize("ports", ["ports: null\n", "ports: []\n", ""])
def test_no_ports_means_no_ports(parsed, ports):
    assert parsed(manifest(f"{ports}endpoints: [{{addresses: [10.0.0.1]}}]")).object.ports == ()


@pytest.mark.parametrize("endpoints", ["null", "[]"])
def test_a_slice_may_be_empty_if_it_says_so(parsed, endpoints):
    assert parsed(manifest(f"endpoints: {endpoints}")).object.entries == ()


@pytest.mark.parametrize(
    ("reference", "pod", "target"),
    [
        ("{kind: Pod, name: p, uid: u}", "shop/p", "u"),
        ("{kind: Pod, name: p, namespace: other}", "other/p", "Pod/other/p"),
        ("{kind: VM, name: v, namespace: shop}", "", "VM/shop/v"),
        ("{kind: Pod}", "", ""),
        ("null", "", ""),
    ],
)
def test_an_endpoint_is_told_apart_by_what_runs_there(parsed, reference, pod, target):
    (entry,) = parsed(
        manifest(f"endpoints: [{{addresses: [10.0.0.1], targetRef: {reference}}}]")
    ).object.entries
    assert (entry.pod, entry.workload) == (pod, target)


@pytest.mark.parametrize(
    ("fields", "zone"),
    [
        ("zone: a, deprecatedTopology: {topology.kubernetes.io/zone: b}", "a"),
        ("deprecatedTopology: {topology.kubernetes.io/zone: b}", "b"),
        ("deprecatedTopology: {}", ""),
    ],
)
def test_the_zone_has_an_older_place(parsed, fields, zone):
    (entry,) = parsed(manifest(f"endpoints: [{{addresses: [10.0.0.1], {fields}}}]")).object.entries
    assert entry.zone == zone


@pytest.mark.parametrize("port", [0, -1, 70000])
@pytest.mark.parametrize("address", ["10.0.0.256", "", "host.example"])
def test_a_bad_value_inside_an_endpoint_passes(parsed, port, address):
    body = f"ports: [{{name: http, port: {port}}}]\nendpoints: [{{addresses: ['{address}']}}]"
    found = parsed(manifest(body)).object
    assert (found.ports, found.entries[0].address) == ((("http", port),), address)


def test_ports_of_other_transports_are_others_even_if_their_names_are_equal(parsed):
    udp, sctp = "{name: dns, port: 53, protocol: UDP}", "{name: signals, port: 1, protocol: SCTP}"
    ports = f"[{udp}, {{name: dns, port: 5353}}, {sctp}]"
    assert parsed(manifest(f"ports: {ports}\nendpoints: []")).object.ports == (("dns", 5353),)


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        ("{}", "endpoints[1].addresses: is required"),
        ("{addresses: []}", "endpoints[1].addresses: is required"),
        (
            f"{{addresses: [{', '.join(['10.1.0.1'] * 101)}]}}",
            "endpoints[1].addresses: has more than 100 items",
        ),
        ("{addresses: 10.1.0.1}", 'endpoints[1].addresses: is the string "10.1.0.1", not a list'),
        ("{addresses: [5]}", "endpoints[1].addresses[0]: is the number 5, not a string: put it in quotes"),
        ("7", "endpoints[1]: is the number 7, not a mapping of fields"),
        ("null", "endpoints[1]: is null, not a mapping of fields"),
        (
            "{addresses: [10.1.0.1], conditions: {ready: 'yes'}}",
            'endpoints[1].conditions.ready: is the string "yes", not true or false',
        ),
        (
            "{addresses: [10.1.0.1], hints: {forZones: [{}]}}",
            "endpoints[1].hints.forZones[0].name: is required",
        ),
        ("{addresses: [10.1.0.1], targetRef: x}", "endpoints[1].targetRef: is the string"),
        ('{addresses: ["fd00::1"]}', 'endpoints[1].addresses: "fd00::1" is not of the addressType IPv4'),
    ],
)
def test_an_endpoint_that_cannot_be_read_costs_itself_alone(parsed, endpoint, message):
    body = f"endpoints:\n- {{addresses: [10.0.0.1]}}\n- {endpoint}\n- {{addresses: [10.0.0.2]}}\n"
    found = parsed(manifest(body))
    assert [entry.address for entry in found.object.entries] == ["10.0.0.1", "10.0.0.2"]
    (warning,), (omission,) = found.warnings, found.object.left_out
    assert str(warning).startswith(message)
    assert str(warning).endswith("; this endpoint is left out")
    assert (omission.reason, omission.what) == (Reason.INVALID_ENDPOINT, "EndpointSlice shop/payments-1")
    assert omission.why.startswith(message)


def test_the_owner_is_known_by_reference_where_the_label_is_missing(parsed):
    other = "{apiVersion: serving.knative.dev/v1, kind: Service, name: other}"
    metadata = f"ownerReferences: [{{kind: Job, name: nightly}}, {other}, {{kind: Service, name: payments}}]"
    assert parsed(manifest("endpoints: []", metadata)).object.owner == "payments"


def test_the_label_comes_before_the_reference(parsed):
    metadata = OWNED + "\nownerReferences: [{kind: Service, name: other}]"
    assert parsed(manifest("endpoints: []", metadata)).object.owner == "payments"


def test_a_slice_that_is_of_no_service_plays_no_part(parsed):
    found = parsed(manifest("endpoints: [{addresses: [a.example]}]", "labels: {}"))
    assert found.object is None
    assert found.ignored.reason is Reason.NO_OWNER


def test_a_slice_of_an_import_is_none_of_the_service_that_it_names_too(parsed):
    metadata = "labels: {multicluster.kubernetes.io/service-name: x, kubernetes.io/service-name: y}"
    found = parsed(manifest("endpoints: []", metadata)).object
    assert found.service == ServiceName("shop", "x", imported=True)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("ports: []", "endpoints: is required, and may be []"),
        ("endpoints: [{}]", "endpoints[0].addresses: is required"),
        ("endpoints: [{addresses: [10]}]", "endpoints[0].addresses[0]: is the number 10, not a string"),
        (
            "endpoints: [{addresses: 10.0.0.1}]",
            'endpoints[0].addresses: is the string "10.0.0.1", not a list',
        ),
        ("endpoints: {}", "endpoints: is a mapping, not a list"),
        (
            "endpoints: [{addresses: [a], conditions: {ready: 'true'}}]",
            'endpoints[0].conditions.ready: is the string "true", not true or false',
        ),
        (
            "endpoints: []\nports: [{port: 80, protocol: tcp}]",
            'ports[0].protocol: "tcp" is not one of TCP, UDP',
        ),
        ("endpoints: []\nports: [{port: '80'}]", 'ports[0].port: is the string "80", not a whole number'),
        ("endpoints: [{addresses: [a], zone: 1}]", "endpoints[0].zone: is the number 1, not a string"),
        (
            "endpoints: [{addresses: [a], hostname: web.a}]",
            'endpoints[0].hostname: "web.a" is not a DNS label',
        ),
    ],
)
def test_what_the_api_server_would_refuse_is_refused(refused, body, message):
    assert refused(manifest(body)).startswith(message)


@pytest.mark.parametrize("family", ["ipv4", "Unix"])
def test_an_unknown_address_type_is_refused(refused, family):
    assert refused(manifest("endpoints: []", family=family)).startswith(
        f'addressType: "{family}" is not one of'
    )


def test_a_label_that_is_no_string_is_refused(refused):
    metadata = "labels: {kubernetes.io/service-name: 5}"
    message = "metadata.labels[kubernetes.io/service-name]: is the number 5, not a string"
    assert refused(manifest("endpoints: []", metadata)).startswith(message)
