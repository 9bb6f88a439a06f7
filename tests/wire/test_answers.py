"""Both variants: what an ACK and a NACK do."""

from __future__ import annotations

from .scene import Scene, everywhere


@everywhere()
async def test_S_ACK_S_ACK_DUP_D_ACK_an_ack_is_not_answered_nor_its_repetition(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("a")
    await talk.heard(a=1)
    for _ in range(3):
        await talk.ack()
    await talk.quiet()


@everywhere()
async def test_S_ACK_the_state_may_change_between_a_push_and_its_ack(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("a")
    await talk.heard(a=1)
    await here.save(a=2)
    await talk.ack()
    await talk.taken(a=2)
    await talk.quiet()


@everywhere()
async def test_S_NACK_D_NACK_the_rejected_version_is_not_sent_again(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("a")
    await talk.heard(a=1)
    await talk.nack()
    await talk.quiet()


@everywhere()
async def test_S_NACK_NEXT_D_NACK_NEXT_the_next_change_is_sent(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("a")
    await talk.taken(a=1)
    await here.save(a=2)
    await talk.heard(a=2)
    await talk.nack()
    await here.save(a=3)
    await talk.taken(a=3)
    await talk.quiet()
