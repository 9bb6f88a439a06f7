"""Both variants: what is sent when services change, come and go."""

from __future__ import annotations

from .scene import Scene, everywhere
from .topics import CDS, LDS

CHANGES = 40


@everywhere()
async def test_S_UPDATE_S_UPDATE_MIN_D_UPDATE_D_UPDATE_MIN_a_change_is_sent_once(here: Scene) -> None:
    await here.save(a=1, b=1, c=1)
    talk = here.dial()
    await talk.ask("a", "b")
    await talk.taken(a=1, b=1)
    await here.save(a=2)
    await talk.taken(**here.stated({"a": 2}, {"a": 2, "b": 1}))
    await talk.quiet()


@everywhere(CDS, LDS)
async def test_S_UPDATE_FULL_S_CREATE_FULL_D_CREATE_WILD_a_wildcard_is_sent_what_is_new(here: Scene) -> None:
    await here.save(a=1, b=1)
    talk = here.dial()
    await talk.ask()
    await talk.taken(a=1, b=1)
    await here.save(a=2)
    await talk.taken(**here.stated({"a": 2}, {"a": 2, "b": 1}))
    await here.save(c=2)
    await talk.taken(**here.stated({"c": 2}, {"a": 2, "b": 1, "c": 2}))
    await talk.quiet()


@everywhere(CDS, LDS)
async def test_S_DEL_WILD_S_DEL_LAST_D_REMOVE_WILD_a_wildcard_is_told_of_removals_until_nothing_is_left(
    here: Scene,
) -> None:
    await here.save(a=1, b=1)
    talk = here.dial()
    await talk.ask()
    await talk.taken(a=1, b=1)
    await here.delete("a")
    await talk.taken(gone=here.missing("a"), **here.stated({}, {"b": 1}))
    await here.delete("b")
    await talk.taken(gone=here.missing("b"))
    await talk.quiet()
    await here.save(a=1)
    await talk.taken(a=1)


@everywhere()
async def test_S_CHURN_D_CHURN_forty_changes_back_to_back_end_with_the_last_one(here: Scene) -> None:
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


@everywhere(CDS, LDS)
async def test_S_CHURN_SET_D_CHURN_SET_services_that_come_and_go_quickly_end_with_the_true_set(
    here: Scene,
) -> None:
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


@everywhere()
async def test_S_REVERT_D_REVERT_there_and_back_ends_where_it_began(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("a")
    first = await talk.taken(a=1)
    await here.save(a=2)
    second = await talk.taken(a=2)
    await here.save(a=1)
    third = await talk.taken(a=1)
    assert first.version_of(talk.naming("a")) == third.version_of(talk.naming("a"))
    assert first.version_of(talk.naming("a")) != second.version_of(talk.naming("a"))
    await talk.quiet()


@everywhere()
async def test_S_REVERT_D_REVERT_there_and_back_before_there_is_acknowledged(here: Scene) -> None:
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


@everywhere()
async def test_S_REVERT_D_REVERT_there_is_rejected_and_back_is_sent(here: Scene) -> None:
    """A client may have applied a part of what it rejected, so it may not have what came before."""
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("a")
    await talk.taken(a=1)
    await here.save(a=2)
    await talk.heard(a=2)
    await talk.nack()
    await here.save(a=1)
    await talk.taken(a=1)
