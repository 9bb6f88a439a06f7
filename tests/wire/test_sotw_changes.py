"""State of the world: what is sent when services change, come and go."""

from __future__ import annotations

from functools import partial

from .scene import Scene, everywhere
from .topics import CDS, EDS, LDS

sotw = partial(everywhere, variants=["sotw"])
CHANGES = 40


@sotw(CDS, LDS)
async def test_S_DEL_NAMED_the_same_is_true_of_names(here: Scene) -> None:
    await here.save(a=1, b=1, c=1)
    talk = here.dial()
    await talk.ask("a", "b")
    await talk.taken(a=1, b=1)
    await here.delete("a")
    await talk.taken(b=1)
    await here.delete("b")
    await talk.taken()
    await here.save(b=1)
    await talk.taken(b=1)


@sotw(EDS)
async def test_S_DEL_PART_endpoints_that_come_back_are_sent_and_the_others_stay(here: Scene) -> None:
    await here.save(a=1, b=1)
    talk = here.dial()
    await talk.ask("a", "b")
    await talk.taken(a=1, b=1)
    await here.delete("a")
    await here.save(b=2)
    await here.save(a=1)
    has: dict[str, int] = {}
    while has != talk.named({"a": 1, "b": 2}):
        talk.absorb(has, await talk.hear())
        await talk.ack()
    await talk.quiet()
