"""Delta: what is sent when services change, come and go."""

from __future__ import annotations

from functools import partial

from .scene import Scene, everywhere

delta = partial(everywhere, variants=["delta"])
CHANGES = 40


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
