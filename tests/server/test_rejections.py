"""What clients reject is attributed to services, and ends with the client's next answer or its stream."""

from __future__ import annotations

from itertools import count

import pytest

from pilothouse.encoding.types import ResourceType
from pilothouse.model.services import ServiceName
from pilothouse.server.rejections import Rejection, Rejections
from pilothouse.serving.attribution import Attribution

from .conftest import cluster, service

ROUTES, CLUSTER, ENDPOINTS = ResourceType.ROUTES, ResourceType.CLUSTER, ResourceType.ENDPOINTS
PAYMENTS, ORDERS = ServiceName("shop", "payments"), ServiceName("shop", "orders")
BLAMED = frozenset([PAYMENTS])


@pytest.fixture
def rejections() -> Rejections:
    """Those of clients whose texts name only payments."""
    seconds = count(1.0)

    def attributed(text: str) -> Attribution:
        return Attribution("a resource", frozenset([PAYMENTS])) if "payments" in text else Attribution()

    return Rejections(attributed, lambda: next(seconds))


def test_what_a_text_names_counts_more_than_what_was_carried(rejections):
    rejections.begin("a", CLUSTER, "outbound|80||payments.shop.svc.cluster.local: bad", [ORDERS])
    assert rejections.of(PAYMENTS) == (1, "outbound|80||payments.shop.svc.cluster.local: bad")
    assert rejections.of(ORDERS) is None


def test_without_a_name_in_the_text_it_is_what_was_carried(rejections):
    rejections.begin("a", ROUTES, "no", [ORDERS, PAYMENTS])
    assert rejections.of(ORDERS) == rejections.of(PAYMENTS) == (1, "no")


def test_clients_are_counted_once_and_their_texts_are_those_of_the_first(rejections):
    rejections.begin("a", ROUTES, "one", [ORDERS])
    rejections.begin("a", CLUSTER, "two", [ORDERS])
    rejections.begin("b", ROUTES, "three", [ORDERS])
    assert rejections.of(ORDERS) == (2, "one")
    rejections.end("a", ROUTES)
    rejections.end("a", CLUSTER)
    assert rejections.of(ORDERS) == (1, "three")


def test_while_it_lasts_a_rejection_is_about_all_that_was_rejected(rejections):
    told: list[set[ServiceName]] = []
    rejections.listeners.append(lambda names: told.append(set(names)))
    rejections.begin("a", ROUTES, "one", [ORDERS])
    rejections.begin("a", ROUTES, "two", [PAYMENTS])
    assert rejections.of(ORDERS) == rejections.of(PAYMENTS) == (1, "two")
    rejections.end("a", ROUTES)
    rejections.end("a", ROUTES)
    assert told == [{ORDERS}, {ORDERS, PAYMENTS}, {ORDERS, PAYMENTS}]
    assert rejections.of(ORDERS) is None


def test_what_a_client_can_cause_is_bounded(rejections):
    for number in range(100):
        rejections.begin("a", ROUTES, "no", [ServiceName("shop", f"a{number}")])
    assert len(rejections._by_service) == 20
    rejections.end("a", ROUTES)
    assert not rejections._by_service
    assert not rejections._by_stream


def test_a_rejection_lasts_since_the_first_of_a_row_and_has_the_text_of_the_last(rejections):
    rejections.begin("a", CLUSTER, "payments", [])
    rejections.begin("a", CLUSTER, "no", [])
    assert rejections.by("a", CLUSTER) == Rejection("no", None, BLAMED, 1.0)
    rejections.end("a", CLUSTER)
    assert rejections.by("a", CLUSTER) is None
    rejections.begin("a", CLUSTER, "payments", [])
    found = Rejection("payments", "a resource", BLAMED, 2.0, suspects=BLAMED)
    assert rejections.by("a", CLUSTER) == found


def test_a_service_is_suspected_if_the_text_names_it_or_nothing_else_has_changed(rejections):
    rejections.begin("a", CLUSTER, "payments", [ORDERS])
    rejections.begin("b", CLUSTER, "no", [ORDERS])
    assert rejections.suspecting(PAYMENTS) == (1, "a", "payments")
    assert rejections.suspecting(ORDERS) == (1, "b", "no")
    rejections.begin("b", CLUSTER, "no", [ORDERS, PAYMENTS])
    assert rejections.suspecting(ORDERS) is None
    rejections.end("a", CLUSTER)
    assert rejections.suspecting(PAYMENTS) is None


async def test_a_nack_is_about_the_changes_in_the_response_until_a_later_one_is_accepted(
    server, ads, eventually
) -> None:
    stream, of = ads(), server.discovery.rejections.of
    await stream.ask(ENDPOINTS, cluster("payments"))
    await stream.names()
    server.put(service("payments", "10.0.0.1"))
    await stream.accept(await stream.read(), error="I do not like that")
    await eventually(lambda: of(service("payments").name) == (1, "I do not like that"))
    server.put(service("payments", "10.0.0.2"))
    await stream.names()
    await eventually(lambda: of(service("payments").name) is None)


@pytest.mark.parametrize("ads", ["DeltaAggregatedResources"], indirect=True)
async def test_a_request_that_is_no_answer_is_not_one_more_rejection(server, ads, eventually) -> None:
    stream, of = ads(), server.discovery.rejections.of
    await stream.ask(ENDPOINTS, cluster("payments"), cluster("orders"))
    await stream.names()
    server.put(service("payments", "10.0.0.1"))
    await stream.accept(await stream.read(), error="no")
    server.put(service("orders", "10.0.0.2"))
    await stream.read()  # which is not answered
    await stream.ask(ENDPOINTS, cluster("more"))
    await stream.read()
    assert of(service("payments").name) == (1, "no")
    assert of(service("orders").name) is None


async def test_a_rejection_ends_with_the_stream(server, ads, eventually) -> None:
    stream, of = ads(), server.discovery.rejections.of
    await stream.ask(ENDPOINTS, cluster("payments"))
    await stream.names()
    server.put(service("payments", "10.0.0.1"))
    await stream.accept(await stream.read(), error="no")
    await eventually(lambda: of(service("payments").name))
    stream.call.cancel()
    await eventually(lambda: of(service("payments").name) is None)
