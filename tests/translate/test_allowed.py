"""Which endpoints a client may call at all: by its node, its address families and their readiness."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pilothouse._pb.envoy.config.core.v3.health_check_pb2 import HealthStatus
from pilothouse.mesh.audience import ANYWHERE, EndpointFacet
from pilothouse.model.reasons import Reason
from pilothouse.model.services import (
    NOWHERE,
    Distribution,
    Endpoint,
    Failover,
    Locality,
    Placement,
    Prefer,
    State,
)
from pilothouse.translate.endpoints import pools
from pilothouse.translate.endpoints.pools import pool

from .assignments import (
    EU_A,
    EU_B,
    HTTP,
    LOCAL,
    NOT_READY,
    READY,
    SERVING,
    TERMINATING,
    US_A,
    address,
    by_priority,
    endpoint,
    healthy,
    reasons,
    sent,
    service,
    weights,
)


class TestLocal:
    two = endpoint(1, node="n1"), endpoint(2, node="n2")

    def test_only_what_is_on_the_clients_node_is_sent(self) -> None:
        assert by_priority(sent(EndpointFacet(EU_A, "n1"), *self.two, placement=LOCAL)) == [{1}]

    def test_there_is_no_way_out_if_nothing_is_there(self) -> None:
        assert by_priority(sent(EndpointFacet(EU_A, "n3"), *self.two, placement=LOCAL)) == []
        assert by_priority(sent(EndpointFacet(EU_A, "n3"), placement=LOCAL)) == []

    def test_what_is_not_ready_on_the_node_is_not_replaced_by_what_is_elsewhere(self) -> None:
        endpoints = endpoint(1, node="n1", state=NOT_READY), endpoint(2, node="n2")
        assert healthy(sent(EndpointFacet(EU_A, "n1"), *endpoints, placement=LOCAL)) == set()

    def test_a_client_that_states_no_node_gets_all(self) -> None:
        assert by_priority(sent(EndpointFacet(EU_A), *self.two, placement=LOCAL)) == [{1, 2}]
        assert (Reason.UNKNOWN_NODE, "internalTrafficPolicy: Local") in reasons(
            ANYWHERE, *self.two, placement=LOCAL
        )

    def test_an_endpoint_without_a_node_is_on_nobodys(self) -> None:
        assert by_priority(sent(EndpointFacet(EU_A, "n1"), endpoint(1), placement=LOCAL)) == []

    @pytest.mark.parametrize("other", [READY, NOT_READY])
    def test_terminating_ones_serve_if_none_is_ready_on_the_node(self, other: State) -> None:
        endpoints = endpoint(1, node="n1", state=SERVING), endpoint(2, node="n2", state=other)
        assert healthy(sent(EndpointFacet(EU_A, "n1"), *endpoints, placement=LOCAL)) == {"10.0.0.1"}

    def test_terminating_ones_do_not_serve_beside_one_that_is_ready_on_the_node(self) -> None:
        endpoints = endpoint(1, node="n1", state=SERVING), endpoint(2, node="n1")
        assert by_priority(sent(EndpointFacet(EU_A, "n1"), *endpoints, placement=LOCAL)) == [{2}]

    def test_hints_are_ignored(self) -> None:
        endpoints = endpoint(1, node="n1", for_zones=("b",)), endpoint(2, node="n1", for_zones=("a",))
        assert by_priority(sent(EndpointFacet(EU_A, "n1"), *endpoints, placement=LOCAL)) == [{1, 2}]

    def test_what_is_elsewhere_has_a_reason(self) -> None:
        assert reasons(EndpointFacet(EU_A, "n1"), *self.two, placement=LOCAL) == {
            (Reason.OTHER_NODE, "10.0.0.2:8080")
        }

    def test_all_nodes_without_endpoints_share_one_facet(self) -> None:
        found = pool(service(*self.two, placement=LOCAL), HTTP)
        assert found.outlook.facet(EndpointFacet(EU_A, "n8")) == found.outlook.facet(
            EndpointFacet(EU_B, "n9")
        )
        assert found.outlook.facet(EndpointFacet(EU_A, "n1")) != found.outlook.facet(
            EndpointFacet(EU_A, "n2")
        )


class TestSticky:
    sticky = Placement(sticky=True)

    def states(self, *endpoints: Endpoint) -> dict[int, str]:
        message = sent(ANYWHERE, *endpoints, placement=self.sticky)
        return {
            int(address(e).rpartition(".")[2]): HealthStatus.Name(e.health_status)
            for place in message.endpoints
            for e in place.lb_endpoints
        }

    def test_what_is_about_to_go_is_draining_for_clients_that_stick_to_it(self) -> None:
        states = (SERVING, TERMINATING, NOT_READY)
        endpoints = [endpoint(last, state=state) for last, state in enumerate(states, start=2)]
        assert self.states(endpoint(1), *endpoints, endpoint(5, weight=0)) == {
            1: "HEALTHY",
            2: "DRAINING",
            4: "UNHEALTHY",
            5: "DRAINING",
        }

    def test_what_is_in_maintenance_never_stands_in(self) -> None:
        assert self.states(endpoint(1, state=SERVING), endpoint(2, weight=0)) == {1: "HEALTHY", 2: "DRAINING"}
        assert self.states(endpoint(1, weight=0), endpoint(2, state=TERMINATING, weight=0)) == {1: "DRAINING"}

    def test_the_weight_of_what_drains_is_not_its_localitys(self) -> None:
        endpoints = endpoint(1, weight=3), endpoint(2, state=SERVING, weight=9), endpoint(3, EU_B, weight=0)
        message = sent(ANYWHERE, *endpoints, placement=self.sticky)
        assert weights(message) == {"eu/a": 3, "eu/b": 1}

    def test_each_has_its_reason(self) -> None:
        endpoints = endpoint(1), endpoint(2, state=SERVING), endpoint(3, weight=0)
        assert reasons(ANYWHERE, *endpoints, placement=self.sticky) == {
            (Reason.TERMINATING, "10.0.0.2:8080"),
            (Reason.MAINTENANCE, "10.0.0.3"),
        }


class TestFamilies:
    four = Endpoint("10.0.0.1", (("http", 8080),), locality=EU_A, workload="uid-1")
    six = Endpoint("fd00::1", (("http", 8080),), locality=EU_A, workload="uid-1")

    def addresses(
        self, client: EndpointFacet, *endpoints: Endpoint, ipv6_first: bool = False
    ) -> list[list[str]]:
        message = sent(client, *endpoints, placement=Placement(ipv6_first=ipv6_first))
        return [
            [address(e), *(also.address.socket_address.address for also in e.endpoint.additional_addresses)]
            for place in message.endpoints
            for e in place.lb_endpoints
        ]

    def test_two_addresses_of_one_target_are_one_endpoint(self) -> None:
        assert self.addresses(ANYWHERE, self.six, self.four) == [["10.0.0.1", "fd00::1"]]

    def test_the_service_and_then_the_client_decide_which_is_first(self) -> None:
        assert self.addresses(ANYWHERE, self.six, self.four, ipv6_first=True) == [["fd00::1", "10.0.0.1"]]
        client = EndpointFacet(families=("ipv4", "ipv6"))
        assert self.addresses(client, self.six, self.four, ipv6_first=True) == [["10.0.0.1", "fd00::1"]]
        client = EndpointFacet(families=("ipv6", "ipv4"))
        assert self.addresses(client, self.six, self.four) == [["fd00::1", "10.0.0.1"]]

    def test_a_client_of_one_family_gets_addresses_of_that_alone(self) -> None:
        assert self.addresses(EndpointFacet(families=("ipv4",)), self.six, self.four) == [["10.0.0.1"]]
        assert self.addresses(EndpointFacet(families=("ipv6",)), self.six, self.four) == [["fd00::1"]]
        assert reasons(EndpointFacet(families=("ipv4",)), self.six, self.four) == {
            (Reason.FAMILY, "[fd00::1]:8080")
        }

    def test_a_client_that_has_no_family_of_a_service_gets_none(self) -> None:
        assert self.addresses(EndpointFacet(families=("ipv6",)), self.four) == []
        assert self.addresses(EndpointFacet(families=("ipv6",)), self.six) == [["fd00::1"]]
        assert reasons(EndpointFacet(families=("ipv6",)), self.four) == {(Reason.FAMILY, "10.0.0.1:8080")}

    def test_without_a_target_they_stay_two(self) -> None:
        assert self.addresses(
            ANYWHERE, endpoint(1), Endpoint("fd00::1", (("http", 8080),), locality=EU_A)
        ) == [
            ["10.0.0.1"],
            ["fd00::1"],
        ]

    def test_other_targets_and_other_ports_stay_apart(self) -> None:
        other = Endpoint("fd00::2", (("http", 8080),), locality=EU_A, workload="uid-2")
        assert self.addresses(ANYWHERE, self.four, other) == [["10.0.0.1"], ["fd00::2"]]
        ported = Endpoint("10.0.0.2", (("http", 9090),), locality=EU_A, workload="uid-1")
        assert self.addresses(ANYWHERE, ported, self.six) == [["10.0.0.2"], ["fd00::1"]]

    def test_several_addresses_of_one_target_are_paired_in_order(self) -> None:
        more = [
            Endpoint(address, (("http", 8080),), locality=EU_A, workload="uid-1")
            for address in ("10.0.0.2", "fd00::2")
        ]
        found = self.addresses(ANYWHERE, self.four, self.six, *more, endpoint(3, workload="uid-1"))
        assert found == [["10.0.0.1", "fd00::1"], ["10.0.0.2", "fd00::2"], ["10.0.0.3"]]

    def test_an_address_that_one_slice_gives_no_target_is_paired_by_the_other(self) -> None:
        nameless = self.four._replace(workload="")
        assert self.addresses(ANYWHERE, nameless, self.four, self.six) == [["10.0.0.1", "fd00::1"]]

    def test_of_two_addresses_of_one_target_only_the_ready_one_is_called(self) -> None:
        late = self.four._replace(state=NOT_READY)
        assert self.addresses(ANYWHERE, late, self.six) == [["fd00::1"]]
        assert healthy(sent(ANYWHERE, late, self.six)) == {"fd00::1"}
        assert healthy(sent(EndpointFacet(families=("ipv4",)), late, self.six)) == set()
        assert (Reason.DUPLICATE_LOSER, "10.0.0.1:8080") in reasons(ANYWHERE, late, self.six)

    def test_the_ready_addresses_of_several_slices_are_paired_whatever_comes_first(self) -> None:
        old = [self.four._replace(state=NOT_READY), self.six._replace(state=NOT_READY)]
        new = [self.four._replace(address="10.0.0.2"), self.six._replace(address="fd00::2")]
        assert self.addresses(ANYWHERE, *old, *new) == [["10.0.0.2", "fd00::2"]]
        assert self.addresses(ANYWHERE, *new, *old, ipv6_first=True) == [["fd00::2", "10.0.0.2"]]

    def test_an_address_that_is_not_ready_stays_where_no_other_of_its_target_is(self) -> None:
        other = Endpoint("fd00::2", (("http", 8080),), NOT_READY, locality=EU_A, workload="uid-2")
        assert self.addresses(ANYWHERE, self.four, self.six, other) == [["10.0.0.1", "fd00::1"], ["fd00::2"]]
        both = self.four._replace(state=NOT_READY), self.six._replace(state=NOT_READY)
        assert self.addresses(ANYWHERE, *both) == [["10.0.0.1", "fd00::1"]]

    def test_one_that_still_serves_by_one_of_its_slices_does(self) -> None:
        stale = Endpoint("fd00::1", (("http", 8080),), NOT_READY, locality=EU_A, workload="uid-1")
        going = Endpoint("10.0.0.1", (("http", 8080),), SERVING, locality=EU_A, workload="uid-1")
        assert healthy(sent(ANYWHERE, stale, going)) == {"10.0.0.1"}

    def test_terminating_ones_serve_if_none_is_ready_in_the_clients_family(self) -> None:
        last = Endpoint("10.0.0.2", (("http", 8080),), SERVING, locality=EU_A, workload="uid-2")
        assert self.addresses(ANYWHERE, last, self.six) == [["fd00::1"]]
        assert healthy(sent(EndpointFacet(families=("ipv4",)), last, self.six)) == {"10.0.0.2"}

    def test_clients_of_one_pool_get_their_own_families(self) -> None:
        found = pool(service(self.four, self.six), HTTP)
        clients = ANYWHERE, EndpointFacet(families=("ipv4",)), EndpointFacet(families=("ipv6",))
        encoded = [b"".join(group.encoded for group in found.allowed(client)) for client in clients]
        held = [[address in each for address in (b"10.0.0.1", b"fd00::1")] for each in encoded]
        assert held == [[True, True], [True, False], [False, True]]

    def test_families_that_make_no_difference_are_not_told_apart(self) -> None:
        plain = pool(service(self.four), HTTP)
        assert (
            plain.outlook.facet(EndpointFacet(families=("ipv6", "ipv4")))
            == plain.outlook.facet(ANYWHERE)
            == ANYWHERE
        )
        both = pool(service(self.four, self.six), HTTP)
        assert both.outlook.facet(EndpointFacet(families=("ipv4", "ipv6"))) == ANYWHERE


def test_weights_beyond_what_fits_are_scaled_down_in_proportion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "_MOST", 103)
    endpoints = endpoint(1, EU_A, weight=600), endpoint(2, EU_B, weight=400), endpoint(3, EU_B, weight=1)
    message = sent(ANYWHERE, *endpoints)
    assert weights(message) == {"eu/a": 59, "eu/b": 40}
    assert [e.load_balancing_weight.value for p in message.endpoints for e in p.lb_endpoints] == [59, 39, 1]


def test_who_runs_at_an_address_is_nothing_that_envoy_gets() -> None:
    before, after = endpoint(1, workload="uid-1"), endpoint(1, workload="uid-2")
    assert pool(service(before), HTTP) == pool(service(after), HTTP)


_ENDPOINTS = st.builds(
    endpoint,
    st.integers(1, 4),
    st.sampled_from([EU_A, EU_B, US_A, NOWHERE]),
    st.sampled_from(["", "n1", "n2"]),
    st.sampled_from(State),
    address=st.sampled_from(["10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2"]),
    workload=st.sampled_from(["", "uid-1", "uid-2"]),
    for_zones=st.sampled_from([(), ("a",), ("b",)]),
    for_nodes=st.sampled_from([(), ("n1",), ("n2", "n3")]),
)
_CLIENTS = st.builds(
    EndpointFacet,
    st.sampled_from([EU_A, EU_B, US_A, NOWHERE]),
    st.sampled_from(["", "n1", "n2", "n3", "n4"]),
    st.sampled_from([(), ("ipv4",), ("ipv6",), ("ipv4", "ipv6"), ("ipv6", "ipv4")]),
    st.none(),
)
_PLACEMENTS = st.builds(
    Placement,
    st.booleans(),
    st.sampled_from(Prefer),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from([(), (Failover(Locality("eu"), (Locality("us"),), True),)]),
    st.sampled_from([(), (Distribution(EU_A, ((EU_B, 30), (US_A, 3))),)]),
)


@given(_CLIENTS, st.lists(_ENDPOINTS, max_size=4, unique_by=lambda endpoint: endpoint.address), _PLACEMENTS)
def test_whoever_is_called_is_allowed_and_somebody_is_if_anybody_is_allowed(
    client: EndpointFacet, endpoints: list[Endpoint], placement: Placement
) -> None:
    # What has two addresses has one state.
    paired = {(e.workload, e.state) for e in endpoints if e.workload}
    assume(len(paired) == len({workload for workload, _ in paired}))
    message = sent(client, *endpoints, placement=placement)
    families = client.families or ("ipv4", "ipv6")
    allowed = {
        e.address: e
        for e in endpoints
        if (not placement.local or client.node in ("", e.node))
        and ("ipv6" if ":" in e.address else "ipv4") in families
    }
    assert {address(e) for place in message.endpoints for e in place.lb_endpoints} <= allowed.keys()
    if not placement.failover and not placement.distribute:
        assert bool(healthy(message)) == any(e.state in (READY, SERVING) for e in allowed.values())
    assert all(p.load_balancing_weight.value >= 1 for p in message.endpoints)
