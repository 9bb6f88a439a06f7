"""Delta: what a new stream is sent whose client says what it has already."""

from __future__ import annotations

from functools import partial

from .scene import Scene, everywhere
from .topics import CDS, EDS, LDS

delta = partial(everywhere, variants=["delta"])


async def _had(here: Scene, *words: str, **contents: int) -> dict[str, str]:
    """The versions that a client had whose stream has ended."""
    talk = here.dial()
    await talk.ask(*words)
    said = await talk.taken(**contents)
    talk.stream.cancel()
    return said.versions


@delta(CDS, LDS)
async def test_D_IRV_SAME_what_a_client_has_is_not_sent_again(here: Scene) -> None:
    await here.save(a=1, b=2)
    has = await _had(here, a=1, b=2)
    talk = here.dial()
    await talk.ask(has=has)
    await here.save(b=1)
    said = await talk.hear()
    if not said.messages:  # D-IRV-REPLY: there may be an empty response
        await talk.ack()
        said = await talk.hear()
    assert talk.shown(said) == (talk.named({"b": 1}), set())
    assert said.messages.keys() == {talk.naming("b")}


@delta(CDS, LDS)
async def test_D_IRV_OLD_D_IRV_NEW_D_IRV_GONE_the_difference_is_sent(here: Scene) -> None:
    await here.save(a=1, b=1, c=1)
    has = await _had(here, a=1, b=1, c=1)
    await here.save(a=2, d=1)
    await here.delete("b")
    talk = here.dial()
    await talk.ask(has=has)
    said = await talk.taken(a=2, d=1, gone=["b"])
    assert said.messages.keys() == {talk.naming("a"), talk.naming("d")}
    await talk.quiet()


@delta()
async def test_D_IRV_GONE_NAMED_also_of_names(here: Scene) -> None:
    await here.save(a=1, b=1, c=1)
    has = await _had(here, "a", "b", "c", a=1, b=1, c=1)
    await here.save(a=2, d=1)
    await here.delete("b")
    talk = here.dial()
    await talk.ask("a", "b", "c", "d", has=has)
    said = await talk.hear()
    contents, gone = talk.shown(said)
    # D-IRV-NAMED: what is named and current may be sent or not.
    assert {name: n for name, n in contents.items() if name != talk.naming("c")} == talk.named(
        {"a": 2, "d": 1}
    )
    assert gone == {talk.naming("b")}
    await talk.ack()
    await here.save(c=2)
    await talk.taken(c=2)


@delta(CDS, LDS)
async def test_D_IRV_a_version_that_was_never_issued_is_not_current(here: Scene) -> None:
    await here.save(a=1, b=2)
    has = await _had(here, a=1, b=2)
    talk = here.dial()
    name = talk.naming("a")
    await talk.ask(has={**has, name: "1", "nosuch": "1"})
    said = await talk.taken(a=1, gone=["=nosuch"])
    assert said.messages.keys() == {name}


@delta()
async def test_D_IRV_an_empty_version_is_not_current(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("a", has={talk.naming("a"): ""})
    await talk.taken(a=1)


@everywhere(CDS, variants=["delta"], transports=["ads"])
async def test_D_IRV_TYPE_it_counts_in_the_first_message_of_each_type(here: Scene) -> None:
    await here.save(EDS, a=1, b=1)
    clusters = here.dial(CDS)
    await clusters.ask()
    await clusters.taken(a=1, b=1)
    endpoints = here.dial(EDS, on=clusters)
    await endpoints.ask("a", "b")
    has = (await endpoints.taken(a=1, b=1)).versions
    had = clusters.last.versions
    clusters.stream.cancel()

    await here.save(EDS, a=2)
    clusters = here.dial(CDS)
    await clusters.ask(has=had)
    endpoints = here.dial(EDS, on=clusters)
    await endpoints.ask("a", "b", has=has)
    said = await endpoints.hear()
    assert endpoints.named({"a": 2}).items() <= said.contents.items()
    assert not said.removed
    listeners = here.dial(LDS, on=clusters)
    await listeners.ask(has={"a-listener-that-is-gone": "1"})
    said = await listeners.hear()
    assert said.removed == ("a-listener-that-is-gone",)
    assert listeners.naming("a") in said.messages


@delta(CDS, LDS)
async def test_D_UNSUB_FIRST_a_first_request_that_only_drops_is_harmless(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("-nosuch")
    await talk.ask("a")
    has: dict[str, int] = {}
    while has != talk.named({"a": 1}):
        talk.absorb(has, await talk.hear())
        await talk.ack()
