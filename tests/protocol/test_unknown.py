"""A world in which something is unknown says of nothing that it is gone, unless it knows that it is."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.encoding.types import ResourceType

from .clients import CLIENTS
from .connection import Connection
from .toy_world import CDS, EDS, LDS, RDS, ToyWorld

VARIANTS = pytest.mark.parametrize("variant", CLIENTS)
#: What a sidecar asks for: all clusters and listeners, endpoints and routes by name.
ASKED = {CDS: (), EDS: ("a", "b", "c"), LDS: (), RDS: ("egress", "vip")}
BEFORE = [
    *((type, name, "1") for type in (CDS, EDS) for name in "ab"),
    (LDS, "l", "1"),
    (LDS, "m", "1"),
    (RDS, "egress", "1"),
    (RDS, "vip", "1"),
]


def world_of(texts: Iterable[tuple[ResourceType, str, str]]) -> ToyWorld:
    world = ToyWorld()
    world.change(texts)
    world.partial = {(RDS, "egress"), (LDS, "l"), (LDS, "m"), (RDS, "vip")}
    return world


def beginning(variant: str, world: ToyWorld) -> Connection:
    line = Connection(CLIENTS[variant](), world)
    for type, names in ASKED.items():
        line.first(type, set(names))
    line.settle()
    return line


def restarted(line: Connection, world: ToyWorld) -> None:
    """The client is back, at a process that knows this world."""
    line.world = world
    line.connect()
    for type in ASKED:
        line.first(type)
    line.settle()


def completed(line: Connection) -> None:
    line.world.complete = True
    line.awake |= line.stream.release()
    line.settle()


def has(line: Connection, type: ResourceType) -> dict[str, str]:
    return line.client.held[type].texts


@pytest.fixture
def half() -> ToyWorld:
    """What can be read after a restart: all that is called b, m or vip cannot, and so the routes lack it."""
    world = world_of([(CDS, "a", "1"), (EDS, "a", "2"), (LDS, "l", "2"), (RDS, "egress", "2")])
    world.complete = False
    return world


@VARIANTS
def test_a_returning_client_keeps_what_nobody_can_read(variant: str, half: ToyWorld) -> None:
    line = beginning(variant, world_of(BEFORE))
    restarted(line, half)
    assert has(line, CDS) == {"a": "1", "b": "1"}
    assert has(line, EDS) == {"a": "2", "b": "1"}  # endpoints follow
    assert has(line, LDS).keys() == {"l", "m"}
    assert has(line, RDS) == {"egress": "1", "vip": "1"}


@VARIANTS
def test_a_new_client_is_sent_what_can_be_read(variant: str, half: ToyWorld) -> None:
    line = beginning(variant, half)
    assert has(line, CDS) == {"a": "1"}
    assert has(line, EDS) == {"a": "2"}
    assert has(line, RDS) == {"egress": "2"}
    line.changed(half.change([(RDS, "egress", "3"), (CDS, "a", None), (CDS, "d", "1")]))
    half.gone.add((CDS, "a"))
    line.settle()
    assert has(line, CDS) == {"d": "1"}
    assert has(line, RDS) == {"egress": "3"}


@VARIANTS
def test_what_is_removed_explicitly_is_gone_although_something_is_unknown(variant: str) -> None:
    world = world_of([one for one in BEFORE if one[1] != "b"])
    world.complete = False
    line = beginning(variant, world_of(BEFORE))
    restarted(line, world)
    world.gone |= {(CDS, "a"), (EDS, "a")}
    line.changed(world.change([(CDS, "a", None), (EDS, "a", None)]))
    line.settle()
    assert has(line, EDS) == {"b": "1"}  # an empty list takes endpoints away in State of the World as well
    if variant == "delta":
        assert has(line, CDS) == {"b": "1"}
    completed(line)
    assert has(line, CDS) == {}


@VARIANTS
@pytest.mark.parametrize("found", [True, False])
def test_when_everything_is_known_a_client_is_told_what_was_withheld(
    variant: str, found: bool, half: ToyWorld
) -> None:
    line = beginning(variant, world_of(BEFORE))
    restarted(line, half)
    if found:
        line.changed(half.change([(CDS, "b", "1"), (EDS, "b", "2"), (LDS, "m", "1"), (RDS, "vip", "2")]))
        line.settle()
    completed(line)
    assert line.client.lacks(half) == {}
    assert has(line, CDS).keys() == ({"a", "b"} if found else {"a"})


@VARIANTS
def test_a_client_that_has_what_there_is_is_sent_nothing_and_follows_every_change(variant: str) -> None:
    world = world_of(BEFORE)
    line = beginning(variant, world)
    world.complete = False
    restarted(line, world)
    assert not line.nonces, "everything was as the client had it"
    line.changed(world.change([(CDS, "c", "1"), (EDS, "c", "1"), (LDS, "l", "2")]))
    line.settle()
    assert has(line, CDS).keys() == {"a", "b", "c"}
    assert has(line, LDS)["l"] == "2"


@VARIANTS
def test_a_name_that_is_asked_for_and_may_be_unknown_is_answered_when_all_is_known(
    variant: str, half: ToyWorld
) -> None:
    line = beginning(variant, half)
    assert "b" not in {name for said in line.responses for name in said.removed}
    line.ask(EDS, {"x"}, set())
    line.settle()
    agenda = line.stream.subscriptions[EDS].agenda
    assert agenda.withheld == {"b", "c", "x"}
    completed(line)
    assert agenda.withheld == set()


@VARIANTS
def test_endpoints_that_may_be_a_part_of_all_are_withheld_until_they_are_all_known(variant: str) -> None:
    world = world_of([(CDS, "a", "1"), (EDS, "a", "part"), (CDS, "b", "1"), (EDS, "b", "2")])
    world.complete = False
    world.partial.add((EDS, "a"))
    line = beginning(variant, world_of(BEFORE))
    restarted(line, world)
    assert has(line, EDS) == {"a": "1", "b": "2"}
    newcomer = beginning(variant, world)
    assert has(newcomer, EDS) == {"a": "part", "b": "2"}
    world.partial.remove((EDS, "a"))  # the rest of `a` is found, and something else is still unknown
    line.changed(world.change([(EDS, "a", "3")]))
    line.awake |= line.stream.release()
    line.settle()
    assert has(line, EDS) == {"a": "3", "b": "2"}
    assert has(line, LDS).keys() == {"l", "m"}


NAMES = {CDS: "abcd", EDS: "abcd", LDS: "lm", RDS: ("egress", "vip")}
RESOURCES = st.sampled_from([(type, name) for type, names in NAMES.items() for name in names])
WORLDS = st.dictionaries(RESOURCES, st.sampled_from("12"), max_size=10)


@VARIANTS
@settings(deadline=None)
@given(before=WORLDS, read=WORLDS, changes=st.lists(st.tuples(RESOURCES, st.sampled_from(["1", "3", None]))))
def test_no_client_loses_what_is_not_known_to_be_gone(
    variant: str,
    before: dict[tuple[ResourceType, str], str],
    read: dict[tuple[ResourceType, str], str],
    changes: list[tuple[tuple[ResourceType, str], str | None]],
) -> None:
    line = beginning(variant, world_of((*at, text) for at, text in before.items()))
    had = {(type, name) for type in ASKED for name in has(line, type)}
    world = world_of((*at, text) for at, text in read.items())
    world.complete = False
    restarted(line, world)
    for at, text in changes:
        if text is None and at[1] in world.texts[at[0]]:
            world.gone.add(at)
        line.changed(world.change([(*at, text)]))
        line.settle()
        kept = {(type, name) for type in ASKED for name in has(line, type)}
        assert had - kept <= world.gone
    completed(line)
    assert line.client.lacks(world) == {}
