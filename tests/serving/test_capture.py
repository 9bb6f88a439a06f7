"""What takes HTTP, too, at virtual IPs is translated for those who ask for it, and for nobody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.audience import Audience, Capture
from pilothouse.model.services import Port, Protocol, Service, ServiceName
from pilothouse.serving.world import World

Make = Callable[..., Service]
LISTENER, ROUTES = ResourceType.LISTENER, ResourceType.ROUTES
CAPTURING = Audience("shop", capture=Capture.VIP)


def fill(town: Any, make_service: Make, count: int = 5) -> None:
    town.put(*[make_service(f"shop/s{n}", "10.0.0.1", vips=(f"10.96.0.{n}",)) for n in range(1, count + 1)])


def prepare(world: World) -> list[object]:
    return [*world.prepare(LISTENER, frozenset(), wildcard=True)]


def test_the_first_client_that_captures_is_prepared_service_by_service(town: Any, make_service: Make) -> None:
    fill(town, make_service)
    world = World(town.catalogue, CAPTURING)
    assert len(prepare(world)) == 5
    assert len(world.selection(LISTENER).resources) == 6
    again = World(town.catalogue, CAPTURING)
    assert prepare(again) == [], "what is there already"


def test_a_fleet_that_does_not_capture_has_nothing_translated_for_it(town: Any, make_service: Make) -> None:
    fill(town, make_service)
    world = World(town.catalogue, Audience("shop"))
    assert prepare(world) == []
    world.selection(LISTENER)
    before = town.catalogue.kept
    capturing = World(town.catalogue, CAPTURING)
    capturing.selection(LISTENER)
    capturing.selection(ROUTES)
    assert town.catalogue.kept > before
    del capturing
    assert town.catalogue.kept == before, "it goes with the last that captures"


def test_a_change_is_told_to_who_captures_and_costs_only_itself(
    town: Any, make_service: Make, names_by_type: Callable[..., Any]
) -> None:
    fill(town, make_service)
    world = World(town.catalogue, CAPTURING)
    before = world.selection(LISTENER).resources
    changes = town.put(make_service("shop/s1", "10.0.0.1", vips=("10.96.1.1",)))
    names = {"10.96.0.1_8080", "10.96.1.1_8080"}
    found = names_by_type(changes)
    assert (found["LDS"], found["RDS"]) == (names, {"egress", *names})
    after = world.selection(LISTENER).resources
    assert before.keys() ^ after.keys() == names
    assert all(before[name] is after[name] for name in before.keys() & after.keys() if name != "egress")
    assert world.selection(ROUTES).resources.keys() == after.keys()
    assert names_by_type(town.remove(ServiceName("shop", "s2")))["LDS"] == {"10.96.0.2_8080"}
    endpoints = town.put(make_service("shop/s3", "10.0.0.9", vips=("10.96.0.3",)))
    assert names_by_type(endpoints).keys() == {"EDS"}


def test_who_captures_after_others_did_sees_what_changed_meanwhile(town: Any, make_service: Make) -> None:
    fill(town, make_service)
    plain = World(town.catalogue, Audience("shop"))
    capturing = World(town.catalogue, CAPTURING)
    assert len(capturing.selection(LISTENER).resources) == 6
    del capturing
    fill(town, make_service, 7)
    assert len(World(town.catalogue, CAPTURING).selection(LISTENER).resources) == 8
    assert len(plain.selection(LISTENER).resources) == 1


def test_a_service_that_cannot_be_captured_is_left_out_there_and_said_to_be(
    town: Any, make_service: Make
) -> None:
    fill(town, make_service)
    town.put(
        make_service("shop/bad", "10.0.0.2", ports=(Port("bad", 70_000, Protocol.HTTP),), vips=("10.96.9.9",))
    )
    assert ServiceName("shop", "bad") not in town.catalogue.quarantined
    world = World(town.catalogue, CAPTURING)
    assert len(world.selection(LISTENER).resources) == 6
    assert "port_value" in town.catalogue.quarantined[ServiceName("shop", "bad")].reason
    assert any("bad.shop" in name for name in world.selection(ResourceType.CLUSTER).resources)
