"""What becomes of endpoints: who is routable, in what state, and with what priority for whom."""

import pytest

from pilothouse._pb.envoy.config.core.v3.health_check_pb2 import HealthStatus
from pilothouse._pb.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from pilothouse.encoding.rules import check
from pilothouse.mesh.audience import EndpointFacet
from pilothouse.model.services import (
    NOWHERE,
    Endpoint,
    Locality,
    Port,
    Service,
    ServiceName,
    ServiceSpec,
    State,
    ordered,
)
from pilothouse.translate.endpoints.assignments import load_assignment
from pilothouse.translate.endpoints.placement import distance
from pilothouse.translate.endpoints.pools import pool

HTTP = Port("http", 80)
READY, NOT_READY = State.READY, State.NOT_READY
SERVING, TERMINATING = State.TERMINATING_SERVING, State.TERMINATING


def endpoint(
    address: str, state: State = READY, at: Locality = NOWHERE, weight: int = 1, port: int = 8080
) -> Endpoint:
    return Endpoint(address, (("http", port),), state, weight, at)


def sent(*endpoints: Endpoint, client: Locality = NOWHERE, port: Port = HTTP) -> ClusterLoadAssignment:
    service = Service(ServiceSpec(ServiceName("shop", "payments"), (port,)), ordered(endpoints))
    message = ClusterLoadAssignment.FromString(
        load_assignment("cluster", pool(service, port), EndpointFacet(client))
    )
    check(message)
    return message


def hosts(message: ClusterLoadAssignment) -> dict[str, str]:
    """Health by address."""
    return {
        e.endpoint.address.socket_address.address: HealthStatus.Name(e.health_status)
        for group in message.endpoints
        for e in group.lb_endpoints
    }


def priorities(message: ClusterLoadAssignment) -> dict[str, int]:
    return {group.locality.zone: group.priority for group in message.endpoints}


@pytest.mark.parametrize(
    ("states", "routable"),
    [
        ([READY, NOT_READY], {"10.0.0.0": "HEALTHY", "10.0.0.1": "UNHEALTHY"}),
        ([READY, SERVING, TERMINATING], {"10.0.0.0": "HEALTHY"}),
        ([SERVING, SERVING], {"10.0.0.0": "HEALTHY", "10.0.0.1": "HEALTHY"}),
        ([NOT_READY, SERVING], {"10.0.0.0": "UNHEALTHY", "10.0.0.1": "HEALTHY"}),
        ([TERMINATING], {}),
        ([], {}),
    ],
)
def test_conditions_decide_who_is_sent_and_in_what_health(
    states: list[State], routable: dict[str, str]
) -> None:
    assert hosts(sent(*(endpoint(f"10.0.0.{i}", state) for i, state in enumerate(states)))) == routable


def test_weight_zero_is_maintenance_and_left_out() -> None:
    assert hosts(sent(endpoint("10.0.0.1", weight=0), endpoint("10.0.0.2", weight=3))) == {
        "10.0.0.2": "HEALTHY"
    }


def test_terminating_endpoints_serve_if_all_that_are_ready_are_in_maintenance() -> None:
    assert hosts(sent(endpoint("10.0.0.1", weight=0), endpoint("10.0.0.2", SERVING))) == {
        "10.0.0.2": "HEALTHY"
    }


def test_weights_are_sent_and_a_locality_weighs_their_sum() -> None:
    here, there = Locality("r", "a"), Locality("r", "b")
    message = sent(
        endpoint("10.0.0.1", at=here, weight=1),
        endpoint("10.0.0.2", at=here, weight=8),
        endpoint("10.0.0.3", at=there, weight=3),
    )
    assert {g.locality.zone: g.load_balancing_weight.value for g in message.endpoints} == {"a": 9, "b": 3}
    assert [e.load_balancing_weight.value for g in message.endpoints for e in g.lb_endpoints] == [1, 8, 3]


def test_one_address_in_two_slices_is_one_endpoint_and_ready_wins() -> None:
    assert hosts(sent(endpoint("10.0.0.1", NOT_READY), endpoint("10.0.0.1", READY))) == {
        "10.0.0.1": "HEALTHY"
    }


def test_one_address_with_two_ports_is_two_endpoints() -> None:
    message = sent(endpoint("10.0.0.1", port=8080), endpoint("10.0.0.1", port=8081))
    assert [
        e.endpoint.address.socket_address.port_value for g in message.endpoints for e in g.lb_endpoints
    ] == [8080, 8081]


@pytest.mark.parametrize(
    "address", ["db.example.com", "", "10.0.0", "fe80::1%eth0", "::ffff:10.0.0.1", "10.0.0.256"]
)
def test_what_is_no_ip_address_is_left_out_alone(address: str) -> None:
    assert hosts(sent(endpoint(address), endpoint("10.0.0.2"))) == {"10.0.0.2": "HEALTHY"}


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_an_impossible_port_is_left_out_alone(port: int) -> None:
    assert hosts(sent(endpoint("10.0.0.1", port=port), endpoint("10.0.0.2"))) == {"10.0.0.2": "HEALTHY"}


def test_ipv6_is_sent_in_its_canonical_form() -> None:
    assert hosts(sent(endpoint("FD00:0:0::1"))) == {"fd00::1": "HEALTHY"}


def test_ports_are_joined_by_name() -> None:
    other = Endpoint("10.0.0.2", (("admin", 9090),))
    named = Endpoint("10.0.0.1", (("admin", 9090), ("http", 1234)))
    message = sent(named, other)
    assert [
        e.endpoint.address.socket_address.port_value for g in message.endpoints for e in g.lb_endpoints
    ] == [1234]


def test_a_nil_port_of_a_slice_is_the_numeric_target_port() -> None:
    nil = Endpoint("10.0.0.1", (("http", None),))
    assert hosts(sent(nil, port=Port("http", 80, target=8443))) == {"10.0.0.1": "HEALTHY"}
    assert hosts(sent(nil, port=Port("http", 80))) == {}


@pytest.mark.parametrize(
    ("client", "endpoint_at", "expected"),
    [
        (Locality("r1", "z1", "s1"), Locality("r1", "z1", "s1"), 0),
        (Locality("r1", "z1", "s1"), Locality("r1", "z1", "s2"), 1),
        (Locality("r1", "z1", "s1"), Locality("r1", "z1"), 1),
        (Locality("r1", "z1"), Locality("r1", "z1", "s2"), 0),
        (Locality("r1", "z1"), Locality("r1", "z2"), 2),
        (Locality("r1", "z1"), Locality("r1"), 2),
        (Locality("r1", "z1"), Locality("r2", "z1"), 3),
        (Locality("r1", "z1"), Locality("", "z1"), 0),
        (Locality("", "z1"), Locality("r1", "z1"), 0),
        (Locality("r1", "z1"), Locality("", "z2"), 3),
        (Locality("r1", "z1"), NOWHERE, 4),
        (NOWHERE, Locality("r1", "z1"), 0),
        (NOWHERE, NOWHERE, 0),
        (Locality("r1"), Locality("r1", "z1"), 2),
    ],
)
def test_distance(client: Locality, endpoint_at: Locality, expected: int) -> None:
    assert distance(client, endpoint_at) == expected


def test_priorities_are_contiguous_and_follow_the_distance_from_the_client() -> None:
    zones = [
        endpoint(f"10.0.0.{i}", at=Locality(r, z))
        for i, (r, z) in enumerate([("r1", "a"), ("r1", "b"), ("r2", "c")])
    ]
    assert priorities(sent(*zones, client=Locality("r1", "a"))) == {"a": 0, "b": 1, "c": 2}
    assert priorities(sent(*zones, client=Locality("r2", "c"))) == {"a": 1, "b": 1, "c": 0}
    assert priorities(sent(*zones, client=Locality("r3", "d"))) == {"a": 0, "b": 0, "c": 0}
    assert priorities(sent(*zones)) == {"a": 0, "b": 0, "c": 0}


def test_endpoints_that_are_nowhere_come_last() -> None:
    message = sent(
        endpoint("10.0.0.1"), endpoint("10.0.0.2", at=Locality("r2", "z")), client=Locality("r1", "a")
    )
    assert priorities(message) == {"z": 0, "": 1}


def test_the_order_of_endpoints_does_not_change_the_encoding() -> None:
    endpoints = [endpoint(f"10.0.{i}.1", at=Locality("r", f"z{i % 3}")) for i in range(9)]
    assert sent(*endpoints) == sent(*reversed(endpoints))
