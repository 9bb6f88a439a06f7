"""What is served beside services: who sees it, and what a change of it is."""

from __future__ import annotations

from pilothouse.encoding.resources import Resource
from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.audience import ANYBODY
from pilothouse.serving.catalogue import Catalogue
from pilothouse.serving.changes import affected
from pilothouse.serving.feeding import Fed
from pilothouse.serving.shelves import of_services
from pilothouse.serving.world import World
from pilothouse.translate.runtime import LAYER, runtime

RUNTIME = ResourceType.RUNTIME


def names(shelf: Fed, *resources: Resource) -> set[str]:
    change = shelf.put(resources)
    found = affected([change] if change else [], ANYBODY.scope, ANYBODY.dialect)
    return {*found.get(RUNTIME, ())}


def test_a_change_names_what_differs() -> None:
    shelf = Fed(RUNTIME)
    assert names(shelf) == set()
    assert names(shelf, runtime({"a": 1})) == {LAYER}
    assert names(shelf, runtime({"a": 1})) == set()
    assert names(shelf, runtime({"a": True})) == {LAYER}
    assert names(shelf) == {LAYER}


def test_a_world_shows_what_is_on_its_shelves_and_nothing_of_other_types() -> None:
    catalogue, shelf = Catalogue(), Fed(RUNTIME)
    shelf.put([runtime({"a": 1})])
    world = World(catalogue, ANYBODY, {**of_services(catalogue), RUNTIME: shelf})
    assert world.selection(RUNTIME).resources.keys() == {LAYER}
    assert world.chosen(RUNTIME, frozenset({LAYER, "none"})).resources.keys() == {LAYER}
    assert world.get(RUNTIME, LAYER) is not None
    assert world.get(RUNTIME, "none") is None
    bare = World(catalogue, ANYBODY)
    assert bare.get(RUNTIME, LAYER) is None
    assert bare.selection(RUNTIME).resources == {}


def test_what_cannot_be_read_of_services_has_no_bearing_on_it() -> None:
    catalogue = Catalogue()
    world = World(catalogue, ANYBODY, {**of_services(catalogue), RUNTIME: Fed(RUNTIME)})
    catalogue.knowledge.learn(False, frozenset())
    assert not world.complete
    assert world.is_absent(RUNTIME, LAYER)
    assert not world.is_partial(RUNTIME, LAYER)
