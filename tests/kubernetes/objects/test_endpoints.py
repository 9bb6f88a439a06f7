"""`v1 Endpoints` of Services without a selector, as Kubernetes would mirror them into slices."""

from __future__ import annotations

from textwrap import indent

import pytest

from pilothouse.kubernetes.join import Cluster
from pilothouse.kubernetes.objects.types import EndpointSlice, Entry, Key, Node, Pod, Service
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import Locality, ServiceName, State

OVEN = ServiceName("bakery", "oven")
KEY = "Endpoints bakery/oven"


def manifest(body: str = "", metadata: str = "") -> str:
    meta = indent(f"name: oven\nnamespace: bakery\n{metadata}", "  ")
    return f"apiVersion: v1\nkind: Endpoints\nmetadata:\n{meta}\n{body}"


def slice_of(*addresses: str, **fields) -> EndpointSlice:
    entries = tuple(Entry(address) for address in addresses)
    return EndpointSlice("bakery", "oven-1", "oven", (("http", 8080),), entries, **fields)


ONE = "subsets: [{addresses: [{ip: 10.0.0.1}], ports: [{name: http, port: 8080}]}]"


@pytest.fixture
def joined(parsed):
    """What a Service without selector comes to with these manifests and objects."""

    def join(*found, selects=False):
        cluster = Cluster()
        objects = [parsed(one).object if isinstance(one, str) else one for one in found]
        cluster.apply([Service("bakery", "oven", selects=selects), *objects])
        return cluster.service(OVEN)

    return join


def called(service) -> dict[str, tuple]:
    return {each.address: each.ports for each in service.endpoints}


def test_every_subset_has_its_own_ports_and_addresses(joined):
    body = (
        "subsets:\n"
        "- addresses: [{ip: 10.0.0.1}, {ip: 10.0.0.2}]\n  ports: [{name: http, port: 8080}]\n"
        "- addresses: [{ip: 'fd00::1'}]\n"
        "  notReadyAddresses: [{ip: 10.0.0.3}]\n"
        "  ports: [{name: http, port: 8081}, {name: dns, port: 53, protocol: UDP}, {name: dns, port: 54}]\n"
        "- addresses: [{ip: 10.0.0.4}]\n"
    )
    found = joined(manifest(body))
    assert called(found) == {
        "10.0.0.1": (("http", 8080),),
        "10.0.0.2": (("http", 8080),),
        "fd00::1": (("http", 8081), ("dns", 54)),
        "10.0.0.3": (("http", 8081), ("dns", 54)),
        "10.0.0.4": (),
    }
    states = {each.address: each.state for each in found.endpoints}
    assert {address for address, state in states.items() if state is not State.READY} == {"10.0.0.3"}
    assert states["10.0.0.3"] is State.NOT_READY


def test_an_address_keeps_its_host_name_its_node_and_what_it_is(joined):
    address = "{ip: 10.0.0.1, hostname: OVEN-0, nodeName: n1, targetRef: {kind: Pod, name: p, uid: u1}}"
    (found,) = joined(
        manifest(f"subsets: [{{addresses: [{address}], ports: [{{port: 80}}]}}]"),
        Node("n1", Locality("eu", "eu-a")),
        Pod("bakery", "p", weight=7),
    ).endpoints
    assert (found.hostname, found.node, found.workload, found.ports) == ("oven-0", "n1", "u1", (("", 80),))
    assert (found.locality, found.weight) == (Locality("eu", "eu-a"), 7)


def test_weights_are_annotated_as_on_a_slice_which_kubernetes_makes_of_it(joined):
    weights = (
        "annotations: {pilothouse.dev/weight: '3', pilothouse.dev/endpoint-weights: '{\"10.0.0.2\": 5}'}"
    )
    body = "subsets: [{addresses: [{ip: 10.0.0.1}, {ip: 10.0.0.2}]}]"
    assert {e.address: e.weight for e in joined(manifest(body, weights)).endpoints} == {
        "10.0.0.1": 3,
        "10.0.0.2": 5,
    }


@pytest.mark.parametrize("body", ["", "subsets: null", "subsets: []", "subsets: [{}]"])
def test_one_without_addresses_has_no_endpoints(joined, body):
    found = joined(manifest(body))
    assert (found.endpoints, found.left_out) == ((), ())


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        (
            "labels: {endpointslice.kubernetes.io/skip-mirror: 'true'}",
            "its label endpointslice.kubernetes.io/skip-mirror is true",
        ),
        (
            "annotations: {control-plane.alpha.kubernetes.io/leader: '{}'}",
            "it is a lock for leader election",
        ),
    ],
)
def test_what_kubernetes_would_not_mirror_plays_no_part(parsed, metadata, why):
    found = parsed(manifest(ONE, metadata))
    assert (found.object, found.ignored) == (None, Omission(Reason.NOT_MIRRORED, KEY, why))
    kept = "labels: {endpointslice.kubernetes.io/skip-mirror: 'false'}"
    assert parsed(manifest(ONE, kept)).object is not None


def test_those_of_a_service_with_a_selector_are_left_out(joined):
    found = joined(manifest(ONE), slice_of("10.0.0.9"), selects=True)
    assert called(found).keys() == {"10.0.0.9"}
    assert found.left_out == (Omission(Reason.NOT_MIRRORED, KEY, "its Service has a selector"),)


def test_where_kubernetes_has_mirrored_it_the_slices_count_in_its_place(joined):
    found = joined(manifest(ONE), slice_of("10.0.0.9", mirrored=True))
    assert called(found).keys() == {"10.0.0.9"}
    assert found.left_out == (Omission(Reason.NOT_MIRRORED, KEY, "its mirrored EndpointSlices count"),)


def test_slices_that_somebody_else_wrote_count_beside_it(joined):
    assert called(joined(manifest(ONE), slice_of("10.0.0.9"))).keys() == {"10.0.0.1", "10.0.0.9"}


def test_the_service_follows_when_its_mirrored_slices_and_its_selector_come_and_go(parsed):
    cluster, mirrored = Cluster(), slice_of("10.0.0.9", mirrored=True)
    cluster.apply([Service("bakery", "oven"), parsed(manifest(ONE)).object])
    for put, gone, addresses in (
        ([mirrored], [], {"10.0.0.9"}),
        ([], [mirrored.key], {"10.0.0.1"}),
        ([Service("bakery", "oven", selects=True)], [], set()),
        ([Service("bakery", "oven")], [], {"10.0.0.1"}),
        ([], [Key("Endpoints", "bakery", "oven")], set()),
    ):
        assert cluster.apply(put, gone) == {OVEN}
        assert called(cluster.service(OVEN)).keys() == addresses


def test_an_address_that_cannot_be_read_costs_itself_alone(parsed, joined):
    bad = "{ip: a.example}, {hostname: x}, {ip: 10.0.0.3, targetRef: [u]}, 7"
    text = manifest(f"subsets: [{{addresses: [{{ip: 10.0.0.1}}, {bad}], notReadyAddresses: [{{ip: 5}}]}}]")
    assert called(joined(text)).keys() == {"10.0.0.1"}
    found = parsed(text)
    assert [str(warning) for warning in found.warnings] == [
        'subsets[0].addresses[1].ip: "a.example" is not an IP address; this endpoint is left out',
        "subsets[0].addresses[2].ip: is required; this endpoint is left out",
        "subsets[0].addresses[3].targetRef: is a list, not a mapping of fields; this endpoint is left out",
        "subsets[0].addresses[4]: is the number 7, not a mapping of fields; this endpoint is left out",
        "subsets[0].notReadyAddresses[0].ip: is the number 5, not a string: put it in quotes; "
        "this endpoint is left out",
    ]
    assert [(each.reason, each.what) for each in joined(text).left_out] == [
        (Reason.INVALID_ENDPOINT, KEY)
    ] * 5


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1", "169.254.169.254", "ff02::1", "010.0.0.1"])
def test_an_address_that_no_sidecar_can_call_is_left_out(joined, address):
    found = joined(manifest(f"subsets: [{{addresses: [{{ip: 10.0.0.1}}, {{ip: '{address}'}}]}}]"))
    assert called(found).keys() == {"10.0.0.1"}
    (omission,) = found.left_out
    assert (omission.reason, omission.what) == (Reason.INVALID_ADDRESS, address)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("subsets: {}", "subsets: is a mapping, not a list"),
        ("subsets: [x]", 'subsets[0]: is the string "x", not a mapping of fields'),
        ("subsets: [{addresses: [{ip: 5}]}]", "subsets[0].addresses[0].ip: is the number 5, not a string"),
        ("subsets: [{addresses: {ip: 10.0.0.1}}]", "subsets[0].addresses: is a mapping, not a list"),
        ("subsets: [{ports: [{port: 0}]}]", "subsets[0].ports[0].port: 0 is not in 1..65535"),
        ("subsets: [{ports: [{name: a}]}]", "subsets[0].ports[0].port: is required"),
        (
            "subsets: [{ports: [{port: 1, protocol: x}]}]",
            'subsets[0].ports[0].protocol: "x" is not one of TCP',
        ),
    ],
)
def test_what_the_api_server_would_refuse_is_refused(refused, body, message):
    assert refused(manifest(body)).startswith(message)
