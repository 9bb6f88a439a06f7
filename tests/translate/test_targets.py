"""The shares that a load assignment means, by Envoy's arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pilothouse.mesh.audience import ANYWHERE, EndpointFacet
from pilothouse.model.services import Endpoint, Locality, Port, Service, ServiceName, ServiceSpec, State
from pilothouse.structures.turns import at_once
from pilothouse.translate import assignment
from pilothouse.translate.endpoints.pools import pool
from pilothouse.translate.endpoints.targets import Shared, shared
from pilothouse.translate.endpoints.verdicts import verdicts

PORT = Port("http", 80)
A, B = Locality(zone="a"), Locality(zone="b")


def endpoint(address: str, **said) -> Endpoint:
    return Endpoint(address, (("http", 8080),), **said)


def service(*endpoints: Endpoint) -> Service:
    return Service(ServiceSpec(ServiceName("shop", "cart"), (PORT,)), endpoints)


Shares = Callable[..., Shared]


@pytest.fixture
def shares() -> Shares:
    def of(*endpoints: Endpoint, client: EndpointFacet = ANYWHERE) -> Shared:
        return at_once(shared(assignment("cart", pool(service(*endpoints), PORT), client)))

    return of


def by_address(found: Shared) -> dict[str, float]:
    return {each.address: round(each.share, 4) for each in found.targets}


def loads(found: Shared) -> dict[int, float]:
    return {number: round(level.load, 4) for number, level in found.priorities.items()}


def test_weights_divide_the_requests(shares) -> None:
    found = shares(endpoint("10.0.0.1", weight=1), endpoint("10.0.0.2", weight=3))
    assert by_address(found) == {"10.0.0.1": 0.25, "10.0.0.2": 0.75}
    assert loads(found) == {0: 1.0}


def test_an_unready_endpoint_gets_nothing_and_the_nearest_keep_all_while_enough_are_left(shares) -> None:
    near = [endpoint(f"10.0.0.{n}", locality=A) for n in range(1, 5)]
    down = endpoint("10.0.0.5", locality=A, state=State.NOT_READY)
    far = endpoint("10.0.1.1", locality=B)
    found = shares(*near, down, far, client=EndpointFacet(A))
    assert loads(found) == {0: 1.0, 1: 0.0}
    assert by_address(found)["10.0.0.5"] == 0.0
    assert by_address(found)["10.0.0.1"] == 0.25


def test_if_most_of_the_nearest_fail_the_others_take_a_part(shares) -> None:
    found = shares(
        endpoint("10.0.0.1", locality=A),
        endpoint("10.0.0.2", locality=A, state=State.NOT_READY),
        endpoint("10.0.1.1", locality=B),
        client=EndpointFacet(A),
    )
    assert loads(found) == {0: 0.7, 1: 0.3}
    assert by_address(found) == {"10.0.0.1": 0.7, "10.0.0.2": 0.0, "10.0.1.1": 0.3}


def test_without_a_healthy_endpoint_nobody_gets_anything(shares) -> None:
    found = shares(endpoint("10.0.0.1", state=State.NOT_READY))
    assert by_address(found) == {"10.0.0.1": 0.0}
    assert loads(found) == {0: 0.0}


def test_each_endpoint_that_is_not_called_has_its_own_reason() -> None:
    endpoints = (
        endpoint("10.0.0.1"),
        endpoint("10.0.0.2", state=State.NOT_READY),
        endpoint("10.0.0.3", weight=0),
        Endpoint("10.0.0.4", (("web", 8080),)),
        endpoint("10.0.0.1", state=State.NOT_READY),
    )
    found = at_once(verdicts(service(*endpoints), PORT, ANYWHERE, endpoints))
    assert [each.reason.value if each else None for each in found] == [
        None,
        "not-ready",
        "maintenance",
        "port-name-mismatch",
        "duplicate-loser",
    ]
