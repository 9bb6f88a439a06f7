"""Delta: what is sent when services change, come and go."""

from __future__ import annotations

from functools import partial

from .scene import Scene, everywhere
from .topics import CDS, LDS

delta = partial(everywhere, variants=["delta"])
CHANGES = 40


@delta()
async def test_D_UPDATE_D_UPDATE_MIN_a_change_comes_alone_with_a_new_version(here: Scene) -> None:
    await here.save(a=1, b=1)
    talk = here.dial()
    await talk.ask("a", "b")
    first = await talk.taken(a=1, b=1)
    await here.save(a=2)
    second = await talk.taken(a=2)
    name = talk.naming("a")
    assert first.versions[name] != second.versions[name]
    await talk.quiet()


@delta(CDS, LDS)
async def test_D_CREATE_WILD_what_is_new_comes_alone(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask()
    await talk.taken(a=1)
    await here.save(b=2)
    await talk.taken(b=2)
    await talk.quiet()


@delta()
async def test_D_REMOVE_D_REMOVE_ONCE_a_removal_is_reported_once(here: Scene) -> None:
    await here.save(a=1, b=1)
    talk = here.dial()
    await talk.ask("a", "b")
    await talk.taken(a=1, b=1)
    await here.delete("a")
    await talk.taken(gone=["a"])
    await talk.quiet()
    await here.save(b=2)
    await talk.taken(b=2)


@delta(CDS, LDS)
async def test_D_REMOVE_WILD_also_to_a_wildcard(here: Scene) -> None:
    await here.save(a=1, b=1)
    talk = here.dial()
    await talk.ask()
    await talk.taken(a=1, b=1)
    await here.delete("a")
    await talk.taken(gone=["a"])
    await here.delete("b")
    await talk.taken(gone=["b"])
    await talk.quiet()


@delta()
async def test_D_READD_what_comes_back_as_it_was_is_sent(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("a")
    await talk.taken(a=1)
    await here.delete("a")
    await talk.taken(gone=["a"])
    await here.save(a=1)
    await talk.taken(a=1)


@delta()
async def test_D_READD_also_when_it_was_away_while_a_response_was_unanswered(here: Scene) -> None:
    await here.save(a=1, b=1)
    talk = here.dial()
    await talk.ask("a", "b")
    await talk.taken(a=1, b=1)
    await here.delete("a")
    await talk.heard(gone=["a"])
    await here.save(a=1)
    await talk.ack()
    await talk.taken(a=1)
    await talk.quiet()


@delta()
async def test_D_CHURN_forty_changes_back_to_back_end_with_the_last_one(here: Scene) -> None:
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


@delta(CDS, LDS)
async def test_D_CHURN_SET_services_that_come_and_go_quickly_end_with_the_true_set(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask()
    await talk.taken(a=1)
    for n in range(CHANGES):
        here.put(**{f"s{n}": 1})
        if n % 4:
            here.namespace.delete(f"s{n}")
    here.put(a=2)
    await talk.ends_with(a=2, **{f"s{n}": 1 for n in range(0, CHANGES, 4)})


@delta()
async def test_D_REVERT_there_and_back_ends_where_it_began(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("a")
    await talk.taken(a=1)
    await here.save(a=2)
    await talk.heard(a=2)
    await here.save(a=1)
    await talk.ack()
    await talk.taken(a=1)
    await here.save(a=2)
    await talk.taken(a=2)
    await here.save(a=1)
    await talk.taken(a=1)
    await talk.quiet()


@delta()
async def test_D_REVERT_there_is_rejected_and_back_is_sent(here: Scene) -> None:
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


@delta()
async def test_D_VERSION_OTHER_a_version_changes_only_with_its_resource(here: Scene) -> None:
    await here.save(a=1, b=1)
    talk = here.dial()
    await talk.ask("a", "b")
    before = (await talk.taken(a=1, b=1)).versions
    await here.save(a=2)
    await here.save(c=1)
    other = here.dial()
    await other.ask("a", "b")
    after = (await other.taken(a=2, b=1)).versions
    assert before[talk.naming("b")] == after[talk.naming("b")]
    assert before[talk.naming("a")] != after[talk.naming("a")]
