"""What is said to change is what changes: for any small registry, any change, and all kinds of clients."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from pilothouse.admin.reading.services import Parts
from pilothouse.admin.reading.what_if import _effect, _tried
from pilothouse.model.services import Service, ServiceName
from pilothouse.serving.census import Census
from pilothouse.serving.world import World
from pilothouse.structures.turns import at_once

from ..oracle.plane import NAMES, Plane
from ..oracle.towns import AUDIENCES, DRAFTS, SOURCES
from ..oracle.towns import NAMES as SERVICES

REGISTRIES = st.dictionaries(st.sampled_from(SERVICES), DRAFTS)
CHANGES = st.dictionaries(st.sampled_from(SERVICES), st.none() | DRAFTS, min_size=1)


class Client:
    """A stream that asks for everything by its name."""

    def __init__(self, number: int, world: World) -> None:
        self.node_id, self.world = str(number), world
        interests = {type: SimpleNamespace(wants=names.__contains__) for type, names in NAMES.items()}
        subscriptions = {type: SimpleNamespace(interest=each) for type, each in interests.items()}
        self.stream = SimpleNamespace(subscriptions=subscriptions)


def held(worlds: list[World]) -> list[dict[Any, Any]]:
    return [
        {(type, name): world.get(type, name) for type, names in NAMES.items() for name in names}
        for world in worlds
    ]


def differences(was: list[dict[Any, Any]], now: list[dict[Any, Any]]) -> dict[Any, set[str]]:
    found: dict[Any, set[str]] = {}
    for number, (old, new) in enumerate(zip(was, now, strict=True)):
        for what, resource in old.items():
            effect = _effect(resource, new[what])
            if effect is not None:
                found.setdefault((*what, effect), set()).add(str(number))
    return found


@given(REGISTRIES, CHANGES)
def test_what_is_said_to_change_for_whom_is_what_changes(there, drafts) -> None:
    plane = Plane()
    shard = plane.shards[SOURCES[0]]
    shard.replace([draft.named(name) for name, draft in there.items()])
    plane.publish()
    worlds = [World(plane.catalogue, audience) for audience in AUDIENCES]
    parts = Parts(plane.registry, plane.catalogue, Census(plane.catalogue, {}))
    discovery = cast(Any, SimpleNamespace(sessions=[Client(*each) for each in enumerate(worlds)]))
    said: dict[ServiceName, Service | None] = {
        name: draft.named(name) if draft else None for name, draft in drafts.items()
    }
    changed = {
        name: service
        for name, service in plane.registry.supposing(SOURCES[0], said).items()
        if service != plane.registry.services.get(name)
    }
    before, quarantined = held(worlds), dict(plane.catalogue.quarantined)
    trial = at_once(_tried(parts, discovery, changed))
    assert differences(before, held(worlds)) == {}
    assert plane.catalogue.quarantined == quarantined
    for name, service in said.items():
        if service is None:
            shard.remove(name)
        else:
            shard.put(service)
    plane.publish()
    assert {name: plane.registry.services.get(name) for name in changed} == changed
    noticed = {what: set(reach.nodes) for what, reach in trial.effects.items() if reach.count}
    assert noticed == differences(before, held(worlds))
    now = plane.catalogue.quarantined.keys()
    assert trial.refused.keys() == {name for name in now if name in changed or name not in quarantined}
