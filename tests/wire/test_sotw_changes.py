"""State of the world: what is sent when services change, come and go."""

from __future__ import annotations

from functools import partial

from .scene import Scene, everywhere
from .topics import CDS, EDS, LDS

sotw = partial(everywhere, variants=["sotw"])
CHANGES = 40


@sotw(CDS, LDS)
async def test_S_UPDATE_FULL_a_change_comes_with_everything_that_is_subscribed_to(here: Scene) -> None:
    await here.save(a=1, b=1, c=1)
    named, wild = here.dial(), here.dial()
    await named.ask("a", "b")
    await named.taken(a=1, b=1)
    await wild.ask()
    await wild.taken(a=1, b=1, c=1)
    await here.save(a=2)
    await named.taken(a=2, b=1)
    await wild.taken(a=2, b=1, c=1)
    await wild.quiet()


@sotw(CDS, LDS)
async def test_S_CREATE_FULL_what_is_new_comes_with_everything(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask()
    await talk.taken(a=1)
    await here.save(b=2)
    await talk.taken(a=1, b=2)
    await talk.quiet()


@sotw(EDS)
async def test_S_UPDATE_PART_S_UPDATE_MIN_a_change_of_endpoints_comes_alone(here: Scene) -> None:
    await here.save(a=1, b=1)
    talk = here.dial()
    await talk.ask("a", "b")
    await talk.taken(a=1, b=1)
    await here.save(a=2)
    await talk.taken(a=2)
    await talk.quiet()


@sotw(CDS, LDS)
async def test_S_DEL_WILD_S_DEL_LAST_what_was_removed_is_left_out_until_nothing_is_left(here: Scene) -> None:
    await here.save(a=1, b=1)
    talk = here.dial()
    await talk.ask()
    await talk.taken(a=1, b=1)
    await here.delete("a")
    await talk.taken(b=1)
    await here.delete("b")
    await talk.taken()
    await talk.quiet()
    await here.save(a=1)
    await talk.taken(a=1)


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


@sotw()
async def test_S_CHURN_forty_changes_back_to_back_end_with_the_last_one(here: Scene) -> None:
    await here.save(a=1, b=1)
    talk = here.dial()
    await talk.ask("a", "b")
    await talk.taken(a=1, b=1)
    for n in range(2, CHANGES + 2):
        here.put(a=n)
    here.put(b=2)
    has = talk.named({"a": 1, "b": 1})
    while has != talk.named({"a": CHANGES + 1, "b": 2}):
        talk.absorb(has, await talk.hear())
        await talk.ack()
    await talk.quiet()


@sotw(CDS, LDS)
async def test_S_CHURN_SET_services_that_come_and_go_quickly_end_with_the_true_set(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask()
    await talk.taken(a=1)
    for n in range(CHANGES):
        here.put(**{f"s{n}": 1})
        if n % 4:
            here.namespace.delete(f"s{n}")
    here.put(a=2)
    await here.settled()
    await talk.ends_with(a=2, **{f"s{n}": 1 for n in range(0, CHANGES, 4)})


@sotw()
async def test_S_REVERT_there_and_back_ends_where_it_began(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("a")
    await talk.taken(a=1)
    await here.save(a=2)
    await talk.taken(a=2)
    await here.save(a=1)
    await talk.taken(a=1)
    await talk.quiet()


@sotw()
async def test_S_REVERT_there_and_back_before_there_is_acknowledged(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("a")
    await talk.taken(a=1)
    await here.save(a=2)
    await talk.heard(a=2)
    await here.save(a=1)
    await talk.ack()
    await talk.taken(a=1)
    await talk.quiet()


@sotw()
async def test_S_REVERT_there_is_rejected_and_back_may_be_sent(here: Scene) -> None:
    """What was rejected may have been applied in part, so its predecessor is not what the client has."""
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("a")
    await talk.taken(a=1)
    await here.save(a=2)
    await talk.heard(a=2)
    await talk.nack()
    await here.save(a=1)
    await talk.taken(a=1)
