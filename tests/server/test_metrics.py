"""What a scrape says of real streams."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pilothouse.admin.metrics import exposition
from pilothouse.admin.observe import Observed
from pilothouse.admin.reading.proxies import standing
from pilothouse.encoding.types import ResourceType
from pilothouse.registry.merged import Registry
from pilothouse.serving.census import Census

from .conftest import Server, service

Eventually = Callable[..., Awaitable[object]]
CLUSTER = ResourceType.CLUSTER


async def scraped(server: Server) -> str:
    census = Census(server.catalogue, {})
    status = Observed(0.0, [], Registry([]), server.catalogue, server.discovery, census)
    return exposition(status, await standing(server.discovery)).decode()


async def test_streams_are_counted_by_their_state_and_none_is_named(
    server: Server, ads: Any, eventually: Eventually
) -> None:
    good, bad, idle = ads(id="web-good"), ads(id="web-bad"), ads(id="web-idle")
    for stream in (good, bad):
        await stream.ask(CLUSTER)
    await good.accept(await good.read())
    await bad.accept(await bad.read(), error="no such field")
    await idle.ask("type.googleapis.com/unknown")

    async def counted() -> bool:
        text = await scraped(server)
        return all(
            f'pilothouse_proxies{{state="{each}"}} 1.0' in text for each in ("SYNCED", "NACKED", "IDLE")
        )

    await eventually(counted)
    text = await scraped(server)
    assert 'pilothouse_proxies{state="STALE"} 0.0' in text
    assert 'pilothouse_subscriptions_rejected{type="CDS"} 1.0' in text
    assert not [word for word in ("web-", "127.0.0.1", "ipv4") if word in text]


async def test_a_response_ages_until_it_is_answered(server: Server, ads: Any, eventually: Eventually) -> None:
    stream = ads()
    await stream.ask(CLUSTER)
    response = await stream.read()
    [session] = server.discovery.sessions
    session.stream.subscriptions[CLUSTER].exchange.since -= 7.0
    assert (await standing(server.discovery)).types["CDS"].oldest_s >= 7.0
    await stream.accept(response)

    async def answered() -> bool:
        return (await standing(server.discovery)).types["CDS"].oldest_s == 0.0

    await eventually(answered)


async def test_each_change_ends_in_one_way(server: Server, ads: Any, eventually: Eventually) -> None:
    revisions = server.revisions
    assert revisions.unneeded == {"files": 1}, "the first was there before any client"
    stream = ads()
    await stream.ask(CLUSTER)
    await stream.accept(await stream.read())
    server.put(service("web"))
    await stream.accept(await stream.read())
    await eventually(lambda: revisions.propagation)
    server.put(service("shop"))
    await stream.accept(await stream.read(), error="no such field")
    await eventually(lambda: revisions.rejected)
    server.put(service("late"))
    [open] = [revisions.pending["files"]]
    acknowledged = revisions.propagation["files"].cumulative[-1]
    assert (acknowledged, revisions.rejected["files"], revisions.incomplete["files"], open) == (1, 1, 0, 1)
    assert revisions.noted["files"] == 1 + acknowledged + 1 + 0 + open
