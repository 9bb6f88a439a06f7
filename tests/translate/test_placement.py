"""In which priority a client gets endpoints, and with which share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.mesh.audience import ANYWHERE, EndpointFacet
from pilothouse.model.reasons import Reason
from pilothouse.model.services import (
    NOWHERE,
    Distribution,
    Failover,
    Locality,
    Placement,
    Prefer,
    State,
)
from pilothouse.translate.endpoints.placement import apportioned
from pilothouse.translate.endpoints.pools import pool

from .assignments import (
    AP_A,
    EU_A,
    EU_B,
    HTTP,
    NOT_READY,
    SAME_NODE,
    SAME_ZONE,
    SERVING,
    TERMINATING,
    US_A,
    by_priority,
    endpoint,
    reasons,
    sent,
    service,
    weights,
)


class TestHints:
    complete = (
        endpoint(1, EU_A, for_zones=("a",)),
        endpoint(2, EU_B, for_zones=("a", "b")),
        endpoint(3, EU_B, for_zones=("b",)),
        endpoint(4, US_A, for_zones=("c",)),
    )

    def test_those_for_the_clients_zone_come_first_and_the_rest_by_distance(self) -> None:
        assert by_priority(sent(EndpointFacet(EU_A), *self.complete)) == [{1, 2}, {3}, {4}]
        assert by_priority(sent(EndpointFacet(EU_B), *self.complete)) == [{2, 3}, {1}, {4}]

    def test_one_locality_can_have_two_priorities(self) -> None:
        message = sent(EndpointFacet(EU_A), *self.complete)
        assert [p.priority for p in message.endpoints if p.locality.zone == "b"] == [0, 1]

    @pytest.mark.parametrize("client", [EndpointFacet(Locality("eu", "z")), EndpointFacet(NOWHERE)])
    def test_hints_of_which_none_is_for_the_client_are_ignored(self, client: EndpointFacet) -> None:
        plain = (endpoint(i, at) for i, at in ((1, EU_A), (2, EU_B), (3, EU_B), (4, US_A)))
        assert by_priority(sent(client, *self.complete)) == by_priority(sent(client, *plain))

    def test_hints_are_ignored_if_one_that_is_ready_has_none(self) -> None:
        assert by_priority(sent(EndpointFacet(EU_A), *self.complete, endpoint(5, EU_A))) == [
            {1, 5},
            {2, 3},
            {4},
        ]

    @pytest.mark.parametrize("state", [NOT_READY, SERVING, TERMINATING])
    def test_one_that_is_not_ready_needs_none(self, state: State) -> None:
        message = sent(EndpointFacet(EU_A), *self.complete, endpoint(5, EU_A, state=state))
        assert by_priority(message)[0] == {1, 2}

    def test_a_zone_for_which_only_one_that_is_not_ready_is_hinted_has_no_hints(self) -> None:
        endpoints = endpoint(1, EU_A, state=NOT_READY, for_zones=("a",)), endpoint(2, EU_B, for_zones=("b",))
        assert by_priority(sent(EndpointFacet(EU_A), *endpoints)) == [{1}, {2}]
        assert by_priority(sent(EndpointFacet(Locality("eu", "c")), *endpoints)) == [{1, 2}]
        assert not any(reason is Reason.HINT for reason, _ in reasons(EndpointFacet(EU_A), *endpoints))

    def test_hints_do_not_count_when_terminating_ones_stand_in(self) -> None:
        endpoints = (
            endpoint(1, EU_A, state=SERVING, for_zones=("b",)),
            endpoint(2, EU_B, state=SERVING, for_zones=("a",)),
        )
        assert by_priority(sent(EndpointFacet(EU_A), *endpoints)) == [{1}, {2}]

    def test_hints_for_nodes_win_over_those_for_zones(self) -> None:
        endpoints = (
            endpoint(1, EU_A, for_zones=("a",), for_nodes=("n1",)),
            endpoint(2, EU_A, for_zones=("a",), for_nodes=("n2",)),
            endpoint(3, EU_B, for_zones=("b",), for_nodes=("n2", "n3")),
        )
        assert by_priority(sent(EndpointFacet(EU_A, "n1"), *endpoints)) == [{1}, {2}, {3}]
        assert by_priority(sent(EndpointFacet(EU_A, "n2"), *endpoints)) == [{2, 3}, {1}]
        assert by_priority(sent(EndpointFacet(EU_A, "n9"), *endpoints)) == [{1, 2}, {3}]

    def test_incomplete_hints_for_nodes_leave_those_for_zones(self) -> None:
        endpoints = (
            endpoint(1, EU_B, for_zones=("b",), for_nodes=("n2",)),
            endpoint(2, EU_B, for_zones=("a",)),
        )
        assert by_priority(sent(EndpointFacet(EU_A, "n2"), *endpoints)) == [{2}, {1}]

    def test_incomplete_hints_for_zones_leave_those_for_nodes(self) -> None:
        endpoints = (
            endpoint(1, EU_B, for_zones=("a",), for_nodes=("n2",)),
            endpoint(2, EU_A, for_nodes=("n1",)),
        )
        assert by_priority(sent(EndpointFacet(EU_A, "n1"), *endpoints)) == [{2}, {1}]
        assert by_priority(sent(EndpointFacet(EU_A, "n9"), *endpoints)) == [{2}, {1}]

    @pytest.mark.parametrize("prefer", [Prefer.NEAREST, Prefer.SAME_NODE])
    def test_a_service_can_do_without(self, prefer: Prefer) -> None:
        without = Placement(prefer=prefer, hints=False)
        assert by_priority(sent(EndpointFacet(EU_A), *self.complete, placement=without)) == [{1}, {2, 3}, {4}]

    def test_they_have_to_be_complete_in_the_clients_family_only(self) -> None:
        endpoints = endpoint(1, EU_A, for_nodes=("n2",)), endpoint(2, EU_A, for_nodes=("n1",))
        bare = endpoint(3, EU_A, address="fd00::1")
        client = EndpointFacet(EU_A, "n1", ("ipv4",))
        assert by_priority(sent(client, *endpoints, bare)) == [{2}, {1}]

    def test_those_that_come_later_have_a_reason(self) -> None:
        assert reasons(EndpointFacet(EU_A), *self.complete) == {
            (Reason.HINT, "10.0.0.3:8080"),
            (Reason.HINT, "10.0.0.4:8080"),
        }


class TestTrafficDistribution:
    here = Locality("eu", "a", "s1")
    spread = (
        endpoint(1, here, "n1"),
        endpoint(2, Locality("eu", "a", "s2"), "n2"),
        endpoint(3, EU_B, "n3"),
        endpoint(4, US_A, "n4"),
        endpoint(5, NOWHERE, "n5"),
    )

    def test_the_same_zone_comes_first_then_the_region_then_the_rest(self) -> None:
        assert by_priority(sent(EndpointFacet(self.here), *self.spread, placement=SAME_ZONE)) == [
            {1, 2},
            {3},
            {4},
            {5},
        ]

    def test_the_same_node_comes_before_all_others(self) -> None:
        client = EndpointFacet(self.here, "n2")
        assert by_priority(sent(client, *self.spread, placement=SAME_NODE)) == [{2}, {1}, {3}, {4}, {5}]

    def test_a_node_without_endpoints_is_as_the_same_zone(self) -> None:
        found = pool(service(*self.spread, placement=SAME_NODE), HTTP)
        assert found.outlook.facet(EndpointFacet(self.here, "n9")) == EndpointFacet(self.here)
        expected = [{1, 2}, {3}, {4}, {5}]
        assert (
            by_priority(sent(EndpointFacet(self.here, "n9"), *self.spread, placement=SAME_NODE)) == expected
        )

    def test_the_same_node_is_first_wherever_it_is(self) -> None:
        assert by_priority(sent(EndpointFacet(NOWHERE, "n4"), *self.spread, placement=SAME_NODE)) == [
            {4},
            {1, 2, 3, 5},
        ]

    def test_endpoints_without_a_node_are_not_those_of_a_client_without_one(self) -> None:
        endpoints = endpoint(1, EU_A), endpoint(2, EU_B)
        assert by_priority(sent(EndpointFacet(EU_B), *endpoints, placement=SAME_NODE)) == [{2}, {1}]

    def test_hints_come_before_it(self) -> None:
        endpoints = endpoint(1, EU_A, "n1", for_zones=("b",)), endpoint(2, EU_B, "n2", for_zones=("a",))
        assert by_priority(sent(EndpointFacet(EU_A, "n1"), *endpoints, placement=SAME_NODE)) == [{2}, {1}]


class TestFailover:
    spread = endpoint(1, EU_A), endpoint(2, EU_B), endpoint(3, US_A), endpoint(4, AP_A), endpoint(5, NOWHERE)

    def failed_over(self, client: Locality, *rules: Failover) -> list[set[int]]:
        return by_priority(sent(EndpointFacet(client), *self.spread, placement=Placement(failover=rules)))

    def test_a_region_named_comes_before_the_others(self) -> None:
        assert self.failed_over(EU_A, Failover(Locality("eu"), (Locality("ap"),))) == [
            {1},
            {2},
            {4},
            {3},
            {5},
        ]
        assert self.failed_over(US_A, Failover(Locality("eu"), (Locality("ap"),))) == [{3}, {1, 2, 4}, {5}]

    def test_several_come_in_their_order(self) -> None:
        rule = Failover(Locality("eu"), (Locality("us"), Locality("ap")))
        assert self.failed_over(EU_A, rule) == [{1}, {2}, {3}, {4}, {5}]

    def test_with_none_the_rest_is_left_out(self) -> None:
        rule = Failover(Locality("eu"), (Locality("us"),), only=True)
        assert self.failed_over(EU_A, rule) == [{1}, {2}, {3}]
        assert reasons(EndpointFacet(EU_A), *self.spread, placement=Placement(failover=(rule,))) == {
            (Reason.FAILOVER, "10.0.0.4:8080"),
            (Reason.FAILOVER, "10.0.0.5:8080"),
        }

    def test_none_for_everyone_keeps_clients_in_their_region(self) -> None:
        assert self.failed_over(EU_A, Failover(NOWHERE, (), only=True)) == [{1}, {2}]
        assert self.failed_over(AP_A, Failover(NOWHERE, (), only=True)) == [{4}]

    def test_neither_a_hint_nor_a_node_leads_out_of_it(self) -> None:
        rule = Placement(prefer=Prefer.SAME_NODE, failover=(Failover(NOWHERE, (), only=True),))
        endpoints = endpoint(1, EU_A, for_zones=("b",)), endpoint(2, US_A, "n1", for_zones=("a",))
        assert by_priority(sent(EndpointFacet(EU_A, "n1"), *endpoints, placement=rule)) == [{1}]
        assert reasons(EndpointFacet(EU_A, "n1"), *endpoints, placement=rule) == {
            (Reason.FAILOVER, "10.0.0.2:8080")
        }

    def test_a_rule_for_a_zone_orders_what_is_outside_of_the_zone(self) -> None:
        rule = Failover(EU_A, (Locality("us"), EU_B), only=True)
        assert self.failed_over(EU_A, rule) == [{1}, {3}, {2}]

    def test_the_first_rule_that_fits_counts(self) -> None:
        rules = Failover(EU_A, (), only=True), Failover(Locality("eu"), (Locality("us"),), only=True)
        assert self.failed_over(EU_A, *rules) == [{1}]
        assert self.failed_over(EU_B, *rules) == [{2}, {1}, {3}]


class TestDistribution:
    rule = Distribution(EU_A, ((EU_A, 80), (EU_B, 15), (Locality("eu", "c"), 5)))
    spread = (
        endpoint(1, EU_A),
        endpoint(2, EU_B),
        endpoint(3, EU_B),
        endpoint(4, Locality("eu", "c"), weight=9),
        endpoint(5, US_A),
    )

    def test_localities_have_their_shares_at_one_priority(self) -> None:
        message = sent(EndpointFacet(EU_A), *self.spread, placement=Placement(distribute=(self.rule,)))
        assert weights(message) == {"eu/a": 80, "eu/b": 15, "eu/c": 5}
        assert by_priority(message) == [{1, 2, 3, 4}]

    def test_a_share_is_split_by_the_weights_of_its_localities(self) -> None:
        rule = Distribution(EU_A, ((EU_A, 80), (EU_B, 15)))
        endpoints = (
            endpoint(1, Locality("eu", "a", "s1")),
            endpoint(2, Locality("eu", "a", "s2")),
            endpoint(3, EU_B),
        )
        message = sent(EndpointFacet(EU_A), *endpoints, placement=Placement(distribute=(rule,)))
        assert weights(message) == {"eu/a/s1": 40, "eu/a/s2": 40, "eu/b": 15}

    def test_what_has_no_share_is_left_out_with_a_reason(self) -> None:
        rule = Distribution(EU_A, ((EU_A, 80), (EU_B, 0)))
        placement = Placement(distribute=(rule,))
        assert by_priority(sent(EndpointFacet(EU_A), *self.spread, placement=placement)) == [{1}]
        assert reasons(EndpointFacet(EU_A), *self.spread, placement=placement) == {
            (Reason.DISTRIBUTE, f"10.0.0.{last}:8080") for last in (2, 3, 4, 5)
        }

    def test_a_locality_of_which_all_is_draining_has_the_least_weight(self) -> None:
        endpoints = endpoint(1, EU_A, weight=0), endpoint(2, EU_B)
        message = sent(
            EndpointFacet(EU_A), *endpoints, placement=Placement(sticky=True, distribute=(self.rule,))
        )
        assert weights(message) == {"eu/a": 1, "eu/b": 15}

    def test_other_clients_are_not_concerned(self) -> None:
        message = sent(EndpointFacet(US_A), *self.spread, placement=Placement(distribute=(self.rule,)))
        assert by_priority(message) == [{5}, {1, 2, 3, 4}]
        assert weights(message) == {"eu/a": 1, "eu/b": 2, "eu/c": 9, "us/a": 1}

    @given(st.integers(0, 1000), st.lists(st.integers(1, 65_535), min_size=1, max_size=9))
    def test_shares_are_kept_as_far_as_whole_numbers_allow(self, total: int, weights: list[int]) -> None:
        parts = apportioned(total, weights)
        exact = [total * weight / sum(weights) for weight in weights]
        assert min(parts) >= 1
        assert sum(parts) == max(total, len(weights))
        if min(exact) >= 1:
            assert all(abs(part - share) < 1 for part, share in zip(parts, exact, strict=True))

    def test_a_share_of_nothing_in_a_place_is_not_that_of_a_wider_place(self) -> None:
        rule = Distribution(Locality("eu"), ((EU_A, 0), (Locality("eu"), 90), (NOWHERE, 10)))
        placement = Placement(distribute=(rule,))
        found = sent(
            EndpointFacet(EU_B), endpoint(1, EU_A), endpoint(2, EU_B), endpoint(3, US_A), placement=placement
        )
        assert weights(found) == {"eu/b": 90, "us/a": 10}


def test_an_overprovisioning_factor_is_the_policy_of_the_assignment() -> None:
    message = sent(ANYWHERE, endpoint(1), placement=Placement(overprovisioning=200))
    assert message.policy.overprovisioning_factor.value == 200
    assert not sent(ANYWHERE, endpoint(1)).HasField("policy")
