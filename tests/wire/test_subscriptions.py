"""Both variants: what is answered to a first request."""

from __future__ import annotations

from .scene import Scene, everywhere
from .topics import CDS, LDS


@everywhere()
async def test_S_INIT_S_ONLY_D_INIT_D_ONLY_what_is_named_is_sent_and_nothing_else(here: Scene) -> None:
    await here.save(a=1, b=2, c=1)
    talk = here.dial()
    await talk.ask("a", "b", "nosuch")
    await talk.taken(a=1, b=2, gone=here.missing("nosuch"))
    await here.save(c=2)
    await talk.quiet()


@everywhere(CDS, LDS)
async def test_S_WILD_S_STAR_D_WILD_D_STAR_no_names_or_a_star_are_everything_in_one_response(
    here: Scene,
) -> None:
    await here.save(a=1, b=2)
    for words in ((), ("*",)):
        talk = here.dial()
        await talk.ask(*words)
        await talk.taken(a=1, b=2)
        await talk.quiet()


@everywhere(CDS, LDS)
async def test_S_STAR_NAME_D_STAR_NAME_a_star_and_names_are_everything_once(here: Scene) -> None:
    await here.save(a=1, b=2)
    talk = here.dial()
    await talk.ask("*", "a", "nosuch")
    await talk.taken(a=1, b=2, gone=here.missing("nosuch"))
    await talk.quiet()


@everywhere(CDS, LDS)
async def test_S_WILD_EMPTY_D_WILD_EMPTY_nothing_to_send_is_an_empty_response(here: Scene) -> None:
    talks = [here.dial(), here.dial()]
    for talk, words in zip(talks, ((), ("*",)), strict=True):
        await talk.ask(*words)
        await talk.taken()
    await here.save(a=1)
    for talk in talks:
        await talk.taken(a=1)


@everywhere()
async def test_S_MISSING_D_MISSING_D_CREATED_a_missing_name_is_sent_when_it_comes_into_being(
    here: Scene,
) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("a", "b")
    await talk.taken(a=1, gone=here.missing("b"))
    await here.save(b=2)
    await talk.taken(**here.stated({"b": 2}, {"a": 1, "b": 2}))
    await talk.quiet()


@everywhere()
async def test_S_MANY_D_MANY_a_thousand_names_in_one_request(here: Scene) -> None:
    await here.save(a=1, b=1)
    talk = here.dial()
    missing = [f"nosuch-{n}" for n in range(1000)]
    await talk.ask(*missing[:500], "a", *missing[500:], "b")
    await talk.taken(a=1, b=1, gone=here.missing(*missing))
    await here.save(b=2)
    await talk.taken(**here.stated({"b": 2}, {"a": 1, "b": 2}))
    await talk.quiet()
