"""What a change did to a service, in values."""

from __future__ import annotations

from dataclasses import replace

from pilothouse.model.services import Endpoint, Port, Service, ServiceName, ServiceSpec
from pilothouse.registry import differences as module
from pilothouse.registry.differences import Addresses, EndpointsDifference, FieldDifference, difference

PORTS = (("http", 8080),)


def service(*addresses: str, **spec: object) -> Service:
    endpoints = tuple(Endpoint(address, PORTS) for address in addresses)
    return Service(ServiceSpec(ServiceName("shop", "cart"), (Port("http", 80),), **spec), endpoints)  # type: ignore[arg-type]


def test_endpoints_are_added_removed_and_changed() -> None:
    before = service("10.0.0.1", "10.0.0.2", "10.0.0.3")
    moved = before.endpoints[2]._replace(weight=7)
    after = replace(before, endpoints=(before.endpoints[1], moved, Endpoint("10.0.0.4", PORTS)))
    assert difference(before, after).endpoints == EndpointsDifference(
        3, 3, Addresses(1, ("10.0.0.4",)), Addresses(1, ("10.0.0.1",)), Addresses(1, ("10.0.0.3",))
    )


def test_a_new_service_has_all_endpoints_added_and_a_removed_one_none_left() -> None:
    there = service("10.0.0.1", "10.0.0.2")
    both = Addresses(2, ("10.0.0.1", "10.0.0.2"))
    nobody = Addresses(0, ())
    assert difference(None, there).endpoints == EndpointsDifference(0, 2, both, nobody, nobody)
    assert difference(there, None).endpoints == EndpointsDifference(2, 0, nobody, both, nobody)
    assert difference(None, there).fields == ()


def test_only_the_first_addresses_are_named() -> None:
    after = service(*(f"10.0.0.{number:03}" for number in range(100)))
    found = difference(service(), after).endpoints
    assert found is not None
    assert found.added == Addresses(100, tuple(f"10.0.0.{number:03}" for number in range(module.NAMED)))


def test_of_very_many_endpoints_only_the_numbers_are_said(monkeypatch) -> None:
    monkeypatch.setattr(module, "MANY", 2)
    assert difference(service("a"), service("a", "b", "c")).endpoints == EndpointsDifference(1, 3)


def test_other_fields_are_said_before_and_after() -> None:
    before = service("10.0.0.1", vips=("10.96.0.1",))
    spec = replace(before.spec, ports=(Port("http", 81), Port("", 82)), vips=(), headless=True)
    found = difference(before, replace(before, spec=spec))
    assert found.endpoints is None
    assert found.fields == (
        FieldDifference("ports", "name=http number=80", "name=http number=81, name=none number=82"),
        FieldDifference("vips", "10.96.0.1", ""),
        FieldDifference("headless", "", "True"),
    )


def test_a_long_text_is_cut() -> None:
    before, after = service(), service(hostnames=tuple(f"host-{number}" for number in range(1000)))
    [found] = difference(before, after).fields
    assert len(found.after) == 200


def test_what_is_equal_has_no_difference() -> None:
    assert difference(service("a"), service("a")) == module.Difference()
