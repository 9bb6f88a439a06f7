"""Delta: what an ACK, a NACK and a request with another nonce do."""

from __future__ import annotations

from functools import partial

from .scene import Scene, everywhere

delta = partial(everywhere, variants=["delta"])


@delta()
async def test_D_NACK_SUBS_a_nack_may_subscribe_and_unsubscribe(here: Scene) -> None:
    await here.save(a=1, b=2)
    talk = here.dial()
    await talk.ask("a")
    await talk.heard(a=1)
    await talk.nack("b", "-a")
    await talk.taken(b=2)
    await here.save(a=2)
    await talk.quiet()


@delta()
async def test_D_ACK_SUBS_an_ack_may_subscribe_and_unsubscribe(here: Scene) -> None:
    await here.save(a=1, b=2)
    talk = here.dial()
    await talk.ask("a")
    await talk.heard(a=1)
    await talk.ack("b", "-a")
    await talk.taken(b=2)
    await here.save(a=2)
    await talk.quiet()


@delta()
async def test_D_STALE_SUBS_D_STALE_UNSUB_subscriptions_count_whatever_the_nonce(here: Scene) -> None:
    await here.save(a=1, b=2, c=1)
    talk = here.dial()
    await talk.ask("a")
    first = await talk.taken(a=1)
    await here.save(a=2)
    await talk.heard(a=2)
    await talk.ask("b", "-a", response_nonce=first.nonce)
    await talk.taken(b=2)
    await talk.ask("c", response_nonce="never sent")
    await talk.taken(c=1)
    await here.save(a=1)
    await talk.quiet()
    await here.save(b=1)
    await talk.taken(b=1)


@delta()
async def test_D_STALE_QUIET_an_odd_nonce_alone_is_not_answered(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("a")
    first = await talk.taken(a=1)
    await here.save(a=2)
    await talk.taken(a=2)
    for nonce in (first.nonce, "never sent", "-1", "\u00e9\u4e16\U0001f600", "x" * 65536):
        await talk.ask(response_nonce=nonce)
    await talk.quiet()
    await here.save(a=1)
    await talk.taken(a=1)


@delta()
async def test_D_STALE_an_ack_of_an_older_response_is_none_of_the_newer_one(here: Scene) -> None:
    await here.save(a=1, b=1)
    talk = here.dial()
    await talk.ask("a")
    first = await talk.heard(a=1)
    await talk.ask("b")
    await talk.heard(b=1)
    await talk.ask(response_nonce=first.nonce)
    await here.save(a=2, b=2)
    await talk.ack()
    await talk.ends_with(a=2, b=2)


@delta()
async def test_D_LATE_ACK_while_a_response_is_unanswered_nothing_gets_lost(here: Scene) -> None:
    await here.save(a=1, b=1)
    talk = here.dial()
    await talk.ask("a", "b", "c")
    await talk.heard(a=1, b=1, gone=["c"])
    await here.save(a=2)
    await here.save(b=2)
    await here.save(c=1)
    await here.delete("b")
    await talk.ack()
    has = talk.named({"a": 1, "b": 1})
    while has != talk.named({"a": 2, "c": 1}):
        talk.absorb(has, await talk.hear())
        await talk.ack()
    await talk.quiet()
