"""Delta: what is answered to subscriptions, and to their end."""

from __future__ import annotations

from functools import partial

from .scene import Scene, everywhere
from .topics import CDS, LDS

delta = partial(everywhere, variants=["delta"])


@delta()
async def test_D_ADD_D_ADD_MIN_a_name_is_added_at_any_time_and_comes_alone(here: Scene) -> None:
    await here.save(a=1, b=2)
    talk = here.dial()
    await talk.ask("a")
    await talk.taken(a=1)
    await talk.ask("b")
    await talk.taken(b=2)
    await talk.quiet()


@delta()
async def test_D_ADD_a_name_is_added_while_a_response_is_unanswered(here: Scene) -> None:
    await here.save(a=1, b=2)
    talk = here.dial()
    await talk.ask("a")
    first = await talk.heard(a=1)
    await talk.ask("b")
    await talk.taken(b=2)
    await talk.ask(response_nonce=first.nonce)
    await talk.quiet()
    await here.save(a=2)
    await talk.taken(a=2)


@delta()
async def test_D_RESUB_a_name_is_sent_again_when_it_is_subscribed_to_again(here: Scene) -> None:
    await here.save(a=1, b=2)
    talk = here.dial()
    await talk.ask("a", "b")
    await talk.taken(a=1, b=2)
    await talk.ask("a")
    await talk.taken(a=1)
    await talk.quiet()


@delta()
async def test_D_RESUB_a_missing_name_is_reported_again(here: Scene) -> None:
    talk = here.dial()
    await talk.ask("nosuch")
    await talk.taken(gone=["nosuch"])
    await talk.ask("nosuch")
    await talk.taken(gone=["nosuch"])


@delta()
async def test_D_RESUB_ACK_also_when_the_ack_says_so(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("a")
    await talk.heard(a=1)
    await talk.ack("a")
    await talk.taken(a=1)
    await talk.quiet()


@delta(CDS, LDS)
async def test_D_RESUB_WILD_also_when_a_wildcard_had_delivered_it(here: Scene) -> None:
    await here.save(a=1, b=2)
    talk = here.dial()
    await talk.ask()
    await talk.taken(a=1, b=2)
    await talk.ask("a", "nosuch")
    await talk.taken(a=1, gone=["nosuch"])
    await talk.quiet()


@delta()
async def test_D_RESUB_AFTER_a_name_that_was_dropped_is_sent_again(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("a")
    await talk.taken(a=1)
    await talk.ask("-a")
    await talk.ask("a")
    await talk.taken(a=1)


@delta()
async def test_D_UNSUB_D_UNSUB_QUIET_what_was_dropped_is_silent_and_the_rest_goes_on(here: Scene) -> None:
    await here.save(a=1, b=1)
    talk = here.dial()
    await talk.ask("a", "b")
    await talk.taken(a=1, b=1)
    await talk.ask("-a")
    await talk.quiet()
    await here.save(a=2)
    await here.save(b=2)
    await talk.taken(b=2)
    await here.delete("a")
    await talk.quiet()


@delta()
async def test_D_UNSUB_PHANTOM_what_was_never_subscribed_to_is_ignored(here: Scene) -> None:
    await here.save(a=1, b=1)
    talk = here.dial()
    await talk.ask("a")
    await talk.taken(a=1)
    await talk.ask("-b", "-nosuch", "-*")
    await talk.quiet()
    await here.save(a=2)
    await talk.taken(a=2)


@delta(CDS, LDS)
async def test_D_UNSUB_PHANTOM_also_beside_a_wildcard(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask()
    await talk.taken(a=1)
    await talk.ask("-a", "-nosuch")
    await talk.quiet()
    await here.save(a=2)
    await talk.taken(a=2)


@delta(CDS, LDS)
async def test_D_UNSUB_WILD_HAS_D_UNSUB_WILD_GONE_a_name_under_a_wildcard_is_stated_again(
    here: Scene,
) -> None:
    await here.save(a=1, b=1)
    talk = here.dial()
    await talk.ask("*", "a", "nosuch")
    await talk.taken(a=1, b=1, gone=["nosuch"])
    await talk.ask("-a")
    await talk.taken(a=1)
    await talk.ask("-nosuch")
    await talk.taken(gone=["nosuch"])
    await here.save(a=2)
    await talk.taken(a=2)


@delta(CDS, LDS)
async def test_D_WILD_the_steps_of_the_example_in_the_specification(here: Scene) -> None:
    """D-WILD-KEEP, D-WILD-DROP, D-WILD-NONE, D-WILD-AGAIN."""
    await here.save(a=1, b=1)
    talk = here.dial()
    await talk.ask()
    await talk.taken(a=1, b=1)

    await talk.ask("a")
    await talk.taken(a=1)
    await here.save(b=2)
    await talk.taken(b=2)

    await talk.ask("-*")
    await here.save(b=1)
    await talk.quiet()
    await here.save(a=2)
    await talk.taken(a=2)

    await talk.ask("-a")
    await talk.ask()
    await here.save(a=1, b=2)
    await talk.quiet()

    await talk.ask("*")
    await talk.taken(a=1, b=2)
    await here.save(c=1)
    await talk.taken(c=1)


@delta(CDS, LDS)
async def test_D_EXPLICIT_after_a_named_subscription_nothing_is_a_wildcard(here: Scene) -> None:
    await here.save(a=1, b=1)
    talk = here.dial()
    await talk.ask("a")
    await talk.taken(a=1)
    await talk.ask()
    await talk.ask("-a")
    await talk.ask()
    await here.save(a=2, b=2)
    await talk.quiet()


@delta()
async def test_D_BOTH_the_same_name_in_subscribe_and_unsubscribe_is_harmless(here: Scene) -> None:
    await here.save(a=1, b=1)
    talk = here.dial()
    await talk.ask("a", "-a", "*", "-*")
    await talk.ask("b")
    while not talk.named({"b": 1}).items() <= (await talk.hear()).contents.items():
        await talk.ack()
