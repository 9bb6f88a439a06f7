"""Route configurations: there is one, `egress`, that all services are in."""

from __future__ import annotations

from typing import Any

from .scene import Scene, everywhere
from .sidecar import routed
from .topics import EGRESS, RDS


async def _said(talk: Any) -> int:
    """How many services are in the one resource that is said next, which is accepted."""
    said = await talk.hear()
    assert said.messages.keys() == {EGRESS}
    await talk.ack()
    return int(said.contents[EGRESS])


@everywhere(RDS)
async def test_S_INIT_D_INIT_S_UPDATE_PART_D_UPDATE_routes_are_sent_and_updated(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("=egress", "=nosuch")
    assert await _said(talk) == 1
    await here.save(b=1)
    assert await _said(talk) == 2
    await here.save(b=2)
    assert await _said(talk) == 1
    await here.delete("a")
    assert await _said(talk) == 0
    await talk.quiet()


@everywhere(RDS)
async def test_S_NACK_D_NACK_rejected_routes_are_sent_when_they_are_others(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("=egress")
    await talk.hear()
    await talk.nack()
    await talk.quiet()
    await here.save(b=1)
    assert await _said(talk) == 2


@everywhere(RDS)
async def test_S_READD_NONE_D_RESUB_AFTER_routes_that_were_dropped_are_sent_again(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("=egress")
    assert await _said(talk) == 1
    await talk.ask(*([] if here.variant == "sotw" else ["-=egress"]))
    await here.save(b=1)
    await talk.quiet()
    await talk.ask("=egress")
    assert await _said(talk) == 2


@everywhere(RDS)
async def test_S_MISSING_D_MISSING_routes_of_another_name_are_none(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("=nosuch")
    if here.variant == "delta":
        await talk.taken(gone=["=nosuch"])
    await here.save(b=1)
    await talk.quiet()


@everywhere(RDS)
async def test_S_EDS_EMPTY_FIRST_routes_without_names_are_harmless(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask()
    await talk.quiet()
    await talk.ask("=egress")
    assert await _said(talk) == 1


@everywhere(RDS)
async def test_S_CHURN_D_CHURN_routes_end_with_the_last_of_many_changes(here: Scene) -> None:
    await here.save(a=1)
    talk = here.dial()
    await talk.ask("=egress")
    assert await _said(talk) == 1
    for n in range(40):
        here.put(a=n, b=n + 1)
    here.put(a=2, b=2, c=1)
    while routed((await talk.hear()).messages[EGRESS]) != {here.namespace.cluster("c")}:
        await talk.ack()
    await talk.ack()
    await talk.quiet()
