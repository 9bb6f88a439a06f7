"""What is left out of the registry is counted by reason, service by service as they change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pilothouse.model.reasons import Reason
from pilothouse.model.services import Placement, Port, ServiceName, State, Transport
from pilothouse.serving.census import Census

PAY = ServiceName("shop", "pay")


@pytest.fixture
def census(town: Any) -> Census:
    return Census(town.catalogue, town.services)


def test_a_service_counts_as_it_is_now(town: Any, census: Census, make_service: Any) -> None:
    good = make_service("shop/pay", "10.0.0.1", "10.0.0.2")
    sick = good.endpoints[0]._replace(state=State.NOT_READY)
    town.put(replace(good, endpoints=(sick, good.endpoints[1])))
    census.count(PAY)
    assert census.by_reason == {Reason.NOT_READY: 1}
    census.count(PAY)
    assert +census.by_reason == {Reason.NOT_READY: 1}
    town.put(replace(good, endpoints=()))
    census.count(PAY)
    assert +census.by_reason == {Reason.NO_ENDPOINTS: 1}
    town.put(good)
    census.count(PAY)
    assert not +census.by_reason


def test_an_endpoint_that_is_not_called_is_counted_with_its_first_reason(
    town: Any, census: Census, make_service: Any
) -> None:
    good = make_service("shop/pay", "10.0.0.1", "10.0.0.2", "10.0.0.3")
    sick = good.endpoints[0]._replace(state=State.NOT_READY)
    misnamed = good.endpoints[1]._replace(ports=(("metrics", 8080),))
    town.put(replace(good, endpoints=(sick, misnamed, good.endpoints[2])))
    for _ in range(2):
        census.count(PAY)
        assert (census.not_called, census.excluded) == (
            {"no": 2},
            {Reason.NOT_READY: 1, Reason.PORT_NAME_MISMATCH: 1},
        )
    town.put(good)
    census.count(PAY)
    assert not +census.not_called
    assert not +census.excluded


def test_a_service_whose_endpoints_are_all_left_out_is_named(
    town: Any, census: Census, make_service: Any
) -> None:
    good = make_service("shop/pay", "10.0.0.1", "10.0.0.2")
    misnamed = tuple(each._replace(ports=(("metrics", 8080),)) for each in good.endpoints)
    town.put(replace(good, endpoints=misnamed))
    census.count(PAY)
    assert (list(census.unserved), census.uncalled(PAY)) == ([PAY], 2)
    town.put(replace(good, endpoints=(good.endpoints[0], misnamed[1])))
    census.count(PAY)
    assert (list(census.unserved), census.uncalled(PAY)) == ([], 1)
    town.put(replace(good, endpoints=()))
    census.count(PAY)
    assert not census.unserved, "that it has no endpoints is said elsewhere"


def test_an_endpoint_may_be_called_at_some_ports_only(town: Any, census: Census, make_service: Any) -> None:
    ports = (Port("http", 8080), Port("admin", 9090))
    town.put(make_service("shop/pay", "10.0.0.1", ports=ports))
    census.count(PAY)
    assert (census.not_called, census.excluded) == ({"partly": 1}, {Reason.PORT_NAME_MISMATCH: 1})


def test_endpoints_of_a_service_without_ports_for_clients_are_not_called(
    town: Any, census: Census, make_service: Any
) -> None:
    town.put(make_service("shop/pay", "10.0.0.1", ports=()))
    census.count(PAY)
    assert (census.not_called, census.excluded) == ({"no": 1}, {Reason.NO_PORTS: 1})
    udp = (Port("http", 8080, transport=Transport.UDP),)
    town.put(make_service("shop/pay", "10.0.0.1", ports=udp))
    census.count(PAY)
    assert (+census.not_called, +census.excluded) == ({"no": 1}, {Reason.UNSUPPORTED_TRANSPORT: 1})


def test_a_service_that_is_gone_counts_no_more(town: Any, census: Census, make_service: Any) -> None:
    town.put(make_service("shop/pay"), make_service("shop/cart"))
    census.count(PAY)
    census.count(ServiceName("shop", "cart"))
    town.remove(PAY)
    census.count(PAY)
    assert +census.by_reason == {Reason.NO_ENDPOINTS: 1}


def test_what_only_depends_on_where_a_client_is_does_not_count(
    town: Any, census: Census, make_service: Any
) -> None:
    town.put(make_service("shop/pay", "10.0.0.1", placement=Placement(local=True)))
    census.count(PAY)
    assert not +census.by_reason


def test_a_service_for_some_is_counted_as_these_see_it(town: Any, census: Census, make_service: Any) -> None:
    town.put(make_service("shop/pay", exported_to=frozenset({"front"})))
    census.count(PAY)
    assert +census.by_reason == {Reason.NO_ENDPOINTS: 1}
    town.put(make_service("shop/pay", "10.0.0.1", exported_to=frozenset()))
    census.count(PAY)
    assert +census.by_reason == {Reason.NOT_EXPORTED: 1}
