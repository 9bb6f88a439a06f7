"""What is left out of the registry is counted by reason, service by service as they change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pilothouse.model.reasons import Reason
from pilothouse.model.services import Placement, ServiceName, State
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
