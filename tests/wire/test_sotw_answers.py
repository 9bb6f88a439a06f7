"""State of the world: what an ACK, a NACK and a request with another nonce do."""

from __future__ import annotations

from functools import partial

from .scene import Scene, everywhere

sotw = partial(everywhere, variants=["sotw"])


@sotw()
async def test_S_NACK_NAMES_names_in_a_nack_are_a_subscription(here: Scene) -> None:
    await here.save(a=1, b=2, c=1)
    talk = here.dial()
    await talk.ask("a", "c")
    await talk.heard(a=1, c=1)
    await talk.nack("a", "b")
    said = await talk.hear()
    assert talk.named({"b": 2}).items() <= said.contents.items()
    await talk.ack()
    await here.save(c=2)
    await talk.quiet()


@sotw()
async def test_S_NACK_AFTER_the_old_version_with_the_right_nonce_is_no_nack(here: Scene) -> None:
    await here.save(a=1, b=2)
    talk = here.dial()
    await talk.ask("a")
    await talk.heard(a=1)
    await talk.nack()
    await talk.ask("a", "b")
    await talk.taken(**here.stated({"b": 2}, {"a": 1, "b": 2}))


@sotw()
async def test_S_ACK_VERSION_an_old_version_with_the_right_nonce_needs_no_response(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("a")
    await talk.heard(a=1)
    await talk.repeat(version_info="")
    await talk.repeat(version_info="something else")
    await talk.quiet()
    await here.save(a=2)
    await talk.taken(a=2)


@sotw()
async def test_S_STALE_S_STALE_OLD_the_nonce_of_an_older_response_is_not_answered(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("a")
    first = await talk.taken(a=1)
    await here.save(a=2)
    await talk.heard(a=2)
    await talk.repeat(response_nonce=first.nonce)
    await talk.quiet()
    await talk.ack()
    await talk.repeat(response_nonce=first.nonce)
    await talk.quiet()
    await here.save(a=1)
    await talk.taken(a=1)


@sotw()
async def test_S_STALE_the_nonce_of_an_older_response_does_not_stand_for_the_newer_ones(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("a")
    first = await talk.taken(a=1)
    await here.save(a=2)
    await talk.heard(a=2)
    await here.save(a=3)
    await talk.repeat(response_nonce=first.nonce)
    await talk.repeat(response_nonce="never sent")
    await talk.quiet()
    await talk.ack()
    await talk.taken(a=3)


@sotw()
async def test_S_STALE_RECOVER_the_names_of_a_stale_request_count_with_the_ack(here: Scene) -> None:
    await here.save(a=1, b=2)
    talk = here.dial()
    await talk.ask("a")
    first = await talk.taken(a=1)
    await here.save(a=2)
    await talk.heard(a=2)
    await talk.repeat(resource_names=[talk.naming("a"), talk.naming("b")], response_nonce=first.nonce)
    await talk.ack("a", "b")
    await talk.ends_with(a=2, b=2) if here.topic.full_state else await talk.taken(b=2)


@sotw()
async def test_S_NONCE_UNKNOWN_a_nonce_that_was_never_sent_is_stale(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("a")
    await talk.taken(a=1)
    for odd in ("nosuch", "-1", "0", "99999999999999999999", "\u00e9\u4e16\U0001f600", "x" * 65536):
        await talk.repeat(response_nonce=odd)
    await talk.quiet()
    await here.save(a=2)
    await talk.taken(a=2)


@sotw()
async def test_S_LATE_ACK_the_state_after_a_late_ack_is_the_latest(here: Scene) -> None:
    await here.save(a=1, b=1)
    talk = here.dial()
    await talk.ask("a", "b", "c")
    await talk.heard(a=1, b=1, gone=here.missing("c"))
    await here.save(a=2)
    await here.save(b=2)
    await here.save(c=1)
    await talk.ack()
    await talk.taken(a=2, b=2, c=1)
    await talk.quiet()
