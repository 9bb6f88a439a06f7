"""State of the world: which names are answered, and how they may change."""

from __future__ import annotations

from functools import partial

from .scene import Scene, everywhere
from .topics import CDS, EDS, LDS

sotw = partial(everywhere, variants=["sotw"])


@sotw()
async def test_S_MISSING_a_name_that_was_missing_alone_is_sent_when_it_comes_into_being(here: Scene) -> None:
    talk = here.dial()
    await talk.ask("a")
    if here.missing("a"):
        await talk.taken(gone=["a"])
    await here.save(a=1)
    await talk.taken(a=1)


@sotw()
async def test_S_MISSING_QUIET_a_missing_name_is_not_answered_again_and_again(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("a", "nosuch")
    await talk.taken(a=1, gone=here.missing("nosuch"))
    await talk.repeat()
    await talk.quiet()


@sotw()
async def test_S_ADD_a_name_that_is_added_is_sent_although_nothing_changed(here: Scene) -> None:
    await here.save(a=1, b=2)
    talk = here.dial()
    await talk.ask("a")
    await talk.taken(a=1)
    await talk.ask("a", "b")
    await talk.taken(**here.stated({"b": 2}, {"a": 1, "b": 2}))
    await talk.quiet()


@sotw()
async def test_S_ADD_a_name_may_be_added_with_the_ack(here: Scene) -> None:
    await here.save(a=1, b=2)
    talk = here.dial()
    await talk.ask("a")
    await talk.heard(a=1)
    await talk.ack("a", "b")
    await talk.taken(**here.stated({"b": 2}, {"a": 1, "b": 2}))


@sotw()
async def test_S_SWAP_other_names_are_sent(here: Scene) -> None:
    await here.save(a=1, b=2)
    talk = here.dial()
    await talk.ask("a")
    await talk.taken(a=1)
    await talk.ask("b")
    await talk.taken(b=2)
    await here.save(a=2)
    await talk.quiet()


@sotw()
async def test_S_READD_a_name_that_comes_back_is_sent_although_nothing_changed(here: Scene) -> None:
    await here.save(a=1, b=2)
    talk = here.dial()
    await talk.ask("a", "b")
    await talk.taken(a=1, b=2)
    await talk.ask("b")
    await talk.ask("a", "b")
    if here.topic.full_state:
        await talk.taken(a=1, b=2)
    else:
        await talk.taken(a=1)


@sotw()
async def test_S_READD_NONE_also_when_nothing_was_subscribed_in_between(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("a")
    await talk.taken(a=1)
    await talk.ask()
    await talk.ask("a")
    await talk.taken(a=1)


@sotw()
async def test_S_SHRINK_a_name_that_was_dropped_is_not_updated_and_the_others_are(here: Scene) -> None:
    await here.save(a=1, b=1)
    talk = here.dial()
    await talk.ask("a", "b")
    await talk.taken(a=1, b=1)
    await talk.ask("b")
    await here.save(a=2)
    await here.save(b=2)
    await talk.taken(b=2)
    await talk.quiet()


@sotw(EDS)
async def test_S_SHRINK_QUIET_dropping_a_name_is_not_answered(here: Scene) -> None:
    await here.save(a=1, b=1)
    talk = here.dial()
    await talk.ask("a", "b")
    await talk.taken(a=1, b=1)
    await talk.ask("b")
    await talk.quiet()


@sotw()
async def test_S_UNSUB_ALL_no_names_after_names_are_nothing_and_no_wildcard(here: Scene) -> None:
    await here.save(a=1, b=1)
    talk = here.dial()
    await talk.ask("a")
    await talk.taken(a=1)
    await talk.ask()
    await talk.repeat()
    await here.save(a=2, b=2)
    await talk.quiet()


@sotw()
async def test_S_UNSUB_ALL_a_request_without_anything_in_it_is_one_without_names(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("a")
    await talk.taken(a=1)
    empty = {"type_url": ""} if here.transport == "separate" else {}
    await talk.ask(version_info="", response_nonce="", **empty)
    await here.save(a=2)
    await talk.quiet()
    await talk.ask("a")
    await talk.taken(a=2)


@sotw(CDS, LDS)
async def test_S_UNSUB_STAR_no_names_after_a_star_are_nothing(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("*")
    await talk.taken(a=1)
    await talk.ask()
    await here.save(a=2, b=1)
    await talk.quiet()


@sotw(CDS, LDS)
async def test_S_WILD_the_steps_of_the_example_in_the_specification(here: Scene) -> None:
    """S-WILD-KEEP, S-WILD-NEWNAME, S-WILD-DROP, S-WILD-NONE, S-WILD-AGAIN."""
    await here.save(a=1, b=1)
    talk = here.dial()
    await talk.ask()
    await talk.taken(a=1, b=1)

    await talk.ask("*", "a")
    await talk.taken(a=1, b=1)  # since a is named now
    await here.save(b=2)
    await talk.taken(a=1, b=2)  # the wildcard is still there

    await talk.ask("a")
    await here.save(b=1)
    await talk.quiet()
    await here.save(a=2)
    await talk.taken(a=2)

    await talk.ask()
    await here.save(a=1, b=2)
    await talk.quiet()

    await talk.ask("*")
    await talk.taken(a=1, b=2)
    await here.save(c=1)
    await talk.taken(a=1, b=2, c=1)


@sotw(EDS)
async def test_S_EDS_EMPTY_FIRST_endpoints_without_names_are_harmless(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask()
    await talk.quiet()
    await talk.ask("a")
    await talk.taken(a=1)


@sotw()
async def test_S_PIPE_of_two_requests_at_once_the_last_one_counts(here: Scene) -> None:
    await here.save(a=1, b=2)
    talk = here.dial()
    await talk.ask("a")
    await talk.ask("a", "b", response_nonce="")
    has: dict[str, int] = {}
    while has != talk.named({"a": 1, "b": 2}):
        talk.absorb(has, await talk.hear())
        await talk.ack()
    await talk.quiet()
