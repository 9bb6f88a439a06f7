"""Both variants bring their clients to the same state, which is the one that a new client is sent at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pilothouse.encoding.types import Changes, ResourceType

from .clients import CLIENTS
from .connection import Connection
from .profile import PROFILE
from .toy_world import ToyWorld
from .universe import CHANGES, NAMES, Changed


def joined(variant: str, world: ToyWorld) -> Connection:
    """A client that wants everything."""
    line = Connection(CLIENTS[variant](), world)
    for type in NAMES:
        line.first(type, set() if type.full_state else set(NAMES[type]))
    return line


def texts(line: Connection) -> dict[ResourceType, dict[str, str]]:
    # A removed route is no news in State of the World: what no listener refers to is not used.
    there = line.world.texts
    return {
        type: {name: text for name, text in held.texts.items() if type.full_state or name in there[type]}
        for type, held in line.client.held.items()
    }


@PROFILE
@given(history=st.lists(st.tuples(CHANGES, st.integers(0, 4), st.integers(0, 4)), max_size=12))
def test_clients_of_both_variants_end_up_with_what_a_new_client_is_sent(
    history: list[tuple[Changed, int, int]],
) -> None:
    world = ToyWorld()
    lines = [joined(variant, world) for variant in CLIENTS]
    for changed, *patience in history:
        changes: Changes = world.change(changed)
        for line, steps in zip(lines, patience, strict=True):
            line.changed(changes)
            for _ in range(steps):
                _step(line)
    new = [joined(variant, world) for variant in CLIENTS]
    for line in (*lines, *new):
        line.settle()
        assert texts(line) == world.texts


def _step(line: Connection) -> None:
    """One response or one answer arrives, if any is under way."""
    if line.responses:
        line.deliver()
    elif line.answers:
        line.answer()
