"""Who is behind a port is decided in plain values, and each endpoint that is left out has its reason."""

from __future__ import annotations

from dataclasses import replace

from tests.translate.assignments import (
    EU_A,
    EU_B,
    HTTP,
    LOCAL,
    NOT_READY,
    SERVING,
    US_A,
    endpoint,
    service,
)

from pilothouse.mesh.audience import ANYWHERE, EndpointFacet
from pilothouse.mesh.dependencies import Preference
from pilothouse.model.policy import Policy
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import Failover, Placement, Service
from pilothouse.translate.endpoints.candidates import Choice, candidates
from pilothouse.translate.endpoints.groups import COMMON, Grouped
from pilothouse.translate.endpoints.members import members


def test_what_is_no_member_is_kept_with_its_reason_and_worded_when_asked() -> None:
    good, bad, idle = endpoint(1), endpoint(2, address="db.example.com"), endpoint(3, weight=0)
    found = members((good, bad, idle, good), HTTP)
    assert found.in_service == (("10.0.0.1", 8080, good, ""),)
    assert found.left_out == [
        (Reason.INVALID_ADDRESS, "db.example.com", bad),
        (Reason.MAINTENANCE, "10.0.0.3", idle),
        (Reason.DUPLICATE_LOSER, "10.0.0.1:8080", good),
    ]
    assert [*found.omissions] == [
        Omission(Reason.INVALID_ADDRESS, "db.example.com", "is not an IP address"),
        Omission(Reason.MAINTENANCE, "10.0.0.3"),
        Omission(Reason.DUPLICATE_LOSER, "10.0.0.1:8080", "is there twice"),
    ]


def test_each_endpoint_is_joined_by_its_own_ports_whatever_those_of_the_one_before_are() -> None:
    named = endpoint(1), endpoint(2, ports=(("grpc", 81),)), endpoint(3), endpoint(4, ports=(("http", 9),))
    found = members(named, HTTP)
    assert [(address, number) for address, number, *_ in found.in_service] == [
        ("10.0.0.1", 8080),
        ("10.0.0.3", 8080),
        ("10.0.0.4", 9),
    ]
    assert [reason for reason, *_ in found.left_out] == [Reason.PORT_NAME_MISMATCH]


def test_what_no_client_tells_apart_is_one_group_wherever_its_endpoints_stand() -> None:
    first, other, last = endpoint(1, EU_A), endpoint(2, EU_B), endpoint(3, EU_A)
    found = candidates(Service(service().spec, (first, other, last)), HTTP).offer
    assert isinstance(found, Grouped)
    assert [(at, traits, [each[2] for each in held]) for at, traits, held in found.groups] == [
        (EU_A, COMMON, [first, last]),
        (EU_B, COMMON, [other]),
    ]


def test_a_client_that_is_allowed_nobody_is_told_so_of_each_endpoint() -> None:
    found = candidates(service(endpoint(1), endpoint(2, state=NOT_READY)), HTTP)
    assert [*found.omissions(EndpointFacet(families=("ipv6",)))] == [
        Omission(Reason.NOT_READY, "10.0.0.2:8080"),
        Omission(Reason.FAMILY, "10.0.0.1:8080"),
        Omission(Reason.FAMILY, "10.0.0.2:8080"),
    ]
    assert [*found.omissions(ANYWHERE)] == [Omission(Reason.NOT_READY, "10.0.0.2:8080")]


def test_a_choice_says_at_which_step_each_endpoint_was_left_out() -> None:
    town = service(
        endpoint(1, node="n1", labels=(("version", "v1"),)),
        endpoint(2, node="n2"),
        endpoint(3, node="n1", address="fd00::3"),
        endpoint(4, node="n1", labels=(("version", "v2"),)),
        endpoint(5, node="n1", labels=(("version", "v1"),), state=SERVING),
        placement=LOCAL,
    )
    town = replace(town, spec=replace(town.spec, policy=Policy(subset_labels=("version",))))
    client = EndpointFacet(EU_A, "n1", ("ipv4",), Preference("version", ("v1",)))
    found = candidates(town, HTTP)
    assert isinstance(found.offer, Choice)
    wanted = found.offer.allowed(client).wanted
    assert [[each[0] for each in held] for _, _, held in wanted.groups] == [["10.0.0.1"]]
    assert [*found.omissions(client)] == [
        Omission(Reason.OTHER_NODE, "10.0.0.2:8080", "n2"),
        Omission(Reason.FAMILY, "[fd00::3]:8080"),
        Omission(Reason.SUBSET, "10.0.0.4:8080", "by version"),
        Omission(Reason.TERMINATING, "10.0.0.5:8080", "terminating, serving"),
    ]


def test_a_choice_says_that_a_client_without_a_node_may_call_all_although_traffic_is_local() -> None:
    found = candidates(service(endpoint(1, node="n1"), placement=LOCAL), HTTP)
    assert [each.reason for each in found.omissions(ANYWHERE)] == [Reason.UNKNOWN_NODE]


def test_a_group_without_a_priority_is_left_out_endpoint_by_endpoint() -> None:
    only = Placement(failover=(Failover(EU_A, (EU_B,), only=True),))
    town = service(endpoint(1, EU_A), endpoint(2, US_A), endpoint(3, US_A), placement=only)
    assert [*candidates(town, HTTP).omissions(EndpointFacet(EU_A))] == [
        Omission(Reason.FAILOVER, "10.0.0.2:8080"),
        Omission(Reason.FAILOVER, "10.0.0.3:8080"),
    ]
