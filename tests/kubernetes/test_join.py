from __future__ import annotations

import random
from dataclasses import replace

import pytest

from pilothouse.kubernetes.join import Cluster
from pilothouse.kubernetes.objects.types import EndpointSlice, Entry, Key, Node, Pod, Service
from pilothouse.kubernetes.served import ServedCluster
from pilothouse.model.services import Endpoint, Locality, Port, ServiceName, ServiceSpec, State

PAYMENTS = ServiceName("shop", "payments")
HTTP = (("http", 8080),)
POD = "shop/payments-0"


def service(name="payments", **fields):
    return Service("shop", name, **fields)


def piece(*entries, name="payments-1", owner="payments", **fields):
    return EndpointSlice("shop", name, owner, HTTP, entries, **fields)


def at(address, **fields):
    return Entry(address, **fields)


@pytest.fixture
def cluster():
    return Cluster()


def endpoints(cluster, name=PAYMENTS):
    return cluster.service(name).endpoints


def weights(cluster):
    return {endpoint.address: endpoint.weight for endpoint in endpoints(cluster)}


def test_a_service_is_its_object_and_its_slices(cluster):
    ports = (Port("http", 80, target=8080),)
    declared = service(ports=ports, vips=("10.0.0.1",), created="2026-01-02T03:04:05Z")
    entry = Entry("10.1.0.1", State.NOT_READY, "n1", "z1", "payments-0", POD, "uid-1")
    assert cluster.apply([declared, piece(entry)]) == {PAYMENTS}
    found = cluster.service(PAYMENTS)
    assert found.spec == ServiceSpec(
        PAYMENTS,
        ports,
        ("10.0.0.1",),
        created="2026-01-02T03:04:05Z",
    )
    assert found.endpoints == (
        Endpoint("10.1.0.1", HTTP, State.NOT_READY, 1, Locality("", "z1"), "n1", "payments-0", "uid-1"),
    )


def test_headless_and_external_services_keep_what_they_are(cluster):
    cluster.apply([service("a", headless=True), service("b", external_name="x.example")])
    assert cluster.service(ServiceName("shop", "a")).spec.headless
    assert cluster.service(ServiceName("shop", "b")).spec.external_name == "x.example"
    assert set(cluster.names) == {ServiceName("shop", "a"), ServiceName("shop", "b")}


@pytest.mark.parametrize("domain", ["Example.ORG", "example.org."])
def test_the_host_name_ends_in_the_domain_of_the_cluster(domain):
    cluster = Cluster(ServedCluster(domain))
    cluster.apply([service()])
    assert cluster.service(PAYMENTS).spec.hostname == "payments.shop.svc.example.org"


def test_a_service_without_slices_is_there_and_empty(cluster):
    cluster.apply([service()])
    assert endpoints(cluster) == ()


def test_slices_wait_for_their_service(cluster):
    assert cluster.apply([piece(at("10.1.0.1"))]) == frozenset()
    assert cluster.service(PAYMENTS) is None
    assert cluster.apply([service()]) == {PAYMENTS}
    assert len(endpoints(cluster)) == 1


def test_slices_outlive_their_service(cluster):
    cluster.apply([service(), piece(at("10.1.0.1"))])
    assert cluster.apply([], [service().key]) == {PAYMENTS}
    assert cluster.service(PAYMENTS) is None
    assert list(cluster.names) == []
    assert cluster.apply([service()]) == {PAYMENTS}
    assert len(endpoints(cluster)) == 1


def test_slices_of_a_service_are_united_until_the_last_goes(cluster):
    one, two = piece(at("10.1.0.1")), piece(at("10.1.0.1"), at("10.1.0.2"), name="payments-2")
    cluster.apply([service(), one, two])
    assert [endpoint.address for endpoint in endpoints(cluster)] == ["10.1.0.1", "10.1.0.1", "10.1.0.2"]
    assert cluster.apply([], [two.key]) == {PAYMENTS}
    assert [endpoint.address for endpoint in endpoints(cluster)] == ["10.1.0.1"]
    cluster.apply([], [one.key])
    assert endpoints(cluster) == ()


def test_a_slice_that_changes_its_owner_leaves_the_former_one(cluster):
    cluster.apply([service(), service("other"), piece(at("10.1.0.1"))])
    moved = piece(at("10.1.0.1"), owner="other")
    assert cluster.apply([moved]) == {PAYMENTS, ServiceName("shop", "other")}
    assert endpoints(cluster) == ()
    assert len(endpoints(cluster, ServiceName("shop", "other"))) == 1


def test_each_address_of_an_entry_is_an_endpoint(cluster):
    cluster.apply([service(weight=3), piece(at("10.1.0.1", workload="uid"), at("10.1.0.2", workload="uid"))])
    assert [(found.address, found.weight, found.workload) for found in endpoints(cluster)] == [
        ("10.1.0.1", 3, "uid"),
        ("10.1.0.2", 3, "uid"),
    ]


@pytest.mark.parametrize(
    ("stated", "weight"),
    [
        ((None, None, None, None), 1),
        ((2, None, None, None), 2),
        ((2, 3, None, None), 3),
        ((2, 3, 4, None), 4),
        ((2, 3, 4, 5), 5),
        ((2, None, 4, None), 4),
        ((0, None, None, None), 0),
        ((2, 0, None, None), 0),
        ((2, 3, 0, None), 0),
        ((2, 3, 4, 0), 0),
    ],
)
def test_the_most_specific_weight_wins(cluster, stated, weight):
    of_service, of_slice, of_pod, of_address = stated
    single = () if of_address is None else (("10.1.0.1", of_address),)
    own = piece(at("10.1.0.1", pod=POD), weight=of_slice, weights=single)
    cluster.apply([service(weight=of_service), own, Pod("shop", "payments-0", of_pod)])
    assert weights(cluster) == {"10.1.0.1": weight}


def test_the_weight_of_an_address_holds_however_it_is_written(cluster):
    cluster.apply([service(), piece(at("FD00:0::1"), at("10.1.0.2"), weights=(("fd00::1", 5),))])
    assert weights(cluster) == {"FD00:0::1": 5, "10.1.0.2": 1}


def test_a_slice_that_names_no_node_is_on_that_of_its_pod(cluster):
    def place() -> tuple[str, Locality]:
        (found,) = endpoints(cluster)
        return found.node, found.locality

    cluster.apply([service(), piece(at("10.1.0.1", pod=POD)), Pod("shop", "payments-0", node="n1")])
    assert place() == ("n1", Locality())
    assert cluster.apply([Node("n1", Locality("r", "z"))]) == {PAYMENTS}
    assert place() == ("n1", Locality("r", "z"))
    cluster.apply([Pod("shop", "payments-0", node="n2")])
    assert place() == ("n2", Locality())
    assert cluster.apply([Node("n1", Locality("r", "y"))]) == frozenset()
    cluster.apply([piece(at("10.1.0.1", pod=POD, node="n1"))])
    assert place() == ("n1", Locality("r", "y"))


NODE = Node("n1", Locality("r", "z", "s"))


@pytest.mark.parametrize(
    ("zone", "node", "override", "locality"),
    [
        ("", None, None, Locality()),
        ("a", None, None, Locality("", "a")),
        ("", NODE, None, Locality("r", "z", "s")),
        ("z", NODE, None, Locality("r", "z", "s")),
        ("a", NODE, None, Locality("r", "a", "s")),
        ("a", NODE, Locality("x", "y"), Locality("x", "y")),
    ],
)
def test_the_place_of_an_endpoint(cluster, zone, node, override, locality):
    entry = at("10.1.0.1", zone=zone, node="n1", pod=POD)
    objects = [service(), piece(entry), Pod("shop", "payments-0", locality=override)]
    cluster.apply([*objects, node] if node else objects)
    (found,) = endpoints(cluster)
    assert (found.locality, found.node) == (locality, "n1")


def test_endpoints_do_not_wait_for_pod_and_node_but_gain_by_them(cluster):
    cluster.apply([service(), piece(at("10.1.0.1", node="n1", pod=POD))])
    assert endpoints(cluster) == (Endpoint("10.1.0.1", HTTP, node="n1"),)
    assert cluster.apply([NODE]) == {PAYMENTS}
    assert endpoints(cluster)[0].locality == NODE.locality
    assert cluster.apply([Pod("shop", "payments-0", 9)]) == {PAYMENTS}
    assert weights(cluster) == {"10.1.0.1": 9}
    assert cluster.apply([], [Key("Pod", "shop", "payments-0"), NODE.key]) == {PAYMENTS}
    assert endpoints(cluster) == (Endpoint("10.1.0.1", HTTP, node="n1"),)


def test_pods_that_share_an_address_are_told_apart_by_reference(cluster):
    cluster.apply(
        [
            service(),
            service("other"),
            piece(at("192.168.0.1", pod=POD)),
            piece(at("192.168.0.1", pod="shop/other-0"), name="other-1", owner="other"),
            Pod("shop", "payments-0", 5),
            Pod("shop", "other-0", 7),
        ]
    )
    assert endpoints(cluster)[0].weight == 5
    assert endpoints(cluster, ServiceName("shop", "other"))[0].weight == 7


def test_what_did_not_change_touches_nothing(cluster):
    objects = [service(), piece(at("10.1.0.1", node="n1", pod=POD)), NODE, Pod("shop", "payments-0", 1)]
    cluster.apply(objects)
    assert cluster.apply([replace(one) for one in objects]) == frozenset()
    assert (
        cluster.apply([], [Key("Pod", "shop", "unknown"), Key("Service", "shop", "unknown")]) == frozenset()
    )


def test_a_change_touches_what_hangs_on_it_and_nothing_else(cluster):
    cluster.apply([service(f"s{i}") for i in range(50)])
    cluster.apply(
        [
            piece(
                at(f"10.1.0.{i}", node=f"n{i % 10}", pod=f"shop/p{i}"),
                name=f"s{i}-1",
                owner=f"s{i}",
            )
            for i in range(50)
        ]
    )
    changed = piece(at("10.2.0.1"), name="s7-1", owner="s7")
    assert cluster.apply([changed]) == {ServiceName("shop", "s7")}
    assert cluster.apply([Pod("shop", "p8", 5)]) == {ServiceName("shop", "s8")}
    assert cluster.apply([Node("n9", Locality("r"))]) == {
        ServiceName("shop", f"s{i}") for i in range(9, 50, 10)
    }
    assert cluster.apply([Node("n7", Locality("r"))]) == {
        ServiceName("shop", f"s{i}") for i in range(17, 50, 10)
    }
    assert cluster.apply([Pod("shop", "p7", 5)]) == frozenset()


def test_endpoints_that_come_and_go_leave_the_spec_the_same_object(cluster):
    cluster.apply([service()])
    before = cluster.service(PAYMENTS)
    cluster.apply([piece(at("10.1.0.1"))])
    assert cluster.service(PAYMENTS).spec is before.spec


def test_whatever_the_order_of_arrival_the_service_is_equal():
    objects = [
        service(weight=2),
        piece(at("10.1.0.1", node="n1", pod=POD), at("10.1.0.2", node="n2"), weight=3),
        piece(at("10.1.0.2", node="n2"), at("10.1.0.1", node="n1"), name="payments-2"),
        NODE,
        Node("n2", Locality("r", "y")),
        Pod("shop", "payments-0", 9),
    ]
    shuffled = random.Random(7)
    seen = set()
    for _ in range(20):
        cluster = Cluster()
        shuffled.shuffle(objects)
        for one in objects:
            cluster.apply([one])
        seen.add(cluster.service(PAYMENTS))
    assert len(seen) == 1


def test_endpoints_that_differ_only_in_weight_have_one_order():
    pieces = [piece(at("10.1.0.1"), name=f"payments-{number}", weight=number) for number in range(12)]
    shuffled = random.Random(7)
    seen = set()
    for _ in range(20):
        cluster = Cluster()
        shuffled.shuffle(pieces)
        cluster.apply([service(), *pieces])
        seen.add(endpoints(cluster))
    assert len(seen) == 1
