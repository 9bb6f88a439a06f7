"""What an operator learns of streams from the log: how they end, what is mended, who shares a name."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from pilothouse.encoding.types import ResourceType
from pilothouse.server import namesakes
from pilothouse.server.session import Session

from .conftest import ADS, Stream, service

CLUSTER, LISTENER = ResourceType.CLUSTER, ResourceType.LISTENER


class Told(LogCapture):
    """The events, as they are logged."""

    def of(self, event: str) -> list[dict[str, Any]]:
        return [dict(entry) for entry in self.entries if entry["event"].startswith(event)]


@pytest.fixture
def told() -> Iterator[Told]:
    capture = Told()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, capture])
    yield capture
    structlog.reset_defaults()


async def opened(stream: Stream) -> Stream:
    await stream.ask(LISTENER)
    assert await stream.names() == ["egress"]
    return stream


async def test_a_stream_that_is_closed_says_why(server, ads, told, eventually) -> None:
    done, gone, refused, last = [await opened(ads(id=name)) for name in ("done", "gone", "refused", "last")]
    await done.call.done_writing()
    await eventually(lambda: len(told.of("stream closed")) == 1)
    gone.call.cancel()
    await eventually(lambda: len(told.of("stream closed")) == 2)
    await refused.send(b"\xff")
    await eventually(lambda: len(told.of("stream closed")) == 3)
    await server.stop()
    await last.ended()
    ends = {end["node"]: (end["reason"], end["log_level"]) for end in told.of("stream closed")}
    assert ends == {
        "done": ("the client ended it or is gone", "info"),
        "gone": ("the client ended it or is gone", "info"),
        "refused": ("the control plane refused a request", "info"),
        "last": ("the control plane is stopping", "info"),
    }
    assert {end["peer"] for end in told.of("stream closed")} == {told.of("stream opened")[0]["peer"]}


async def test_a_stream_that_never_said_who_it_is_is_neither_opened_nor_closed(
    server, told, eventually
) -> None:
    stream = Stream(server.channel, f"{ADS}DeltaAggregatedResources", {})
    await stream.send(b"\xff")
    await stream.ended()
    await eventually(lambda: not server.discovery.sessions)
    assert (told.of("stream opened"), told.of("stream closed")) == ([], [])


async def test_a_rejection_is_mended_when_what_comes_later_is_accepted(server, ads, told, eventually) -> None:
    stream = ads()
    await stream.ask(CLUSTER)
    await stream.accept(await stream.read(), error="no such field")
    await eventually(lambda: told.of("rejected by client"))
    server.put(service("web"))
    response = await stream.read()
    assert told.of("accepted by client") == []
    await stream.accept(response)
    await eventually(lambda: told.of("accepted by client"))
    server.put(service("more"))
    await stream.accept(await stream.read())
    await stream.ask(LISTENER)
    await stream.read()
    (mended,) = told.of("accepted by client after a rejection")
    assert (mended["node"], mended["type"], mended["log_level"]) == ("web-0", "CDS", "info")


async def test_two_streams_of_one_node_that_stay_are_warned_of_once(
    server, ads, told, eventually, monkeypatch
) -> None:
    monkeypatch.setattr(namesakes, "_OVERLAP_S", 0.1)
    await opened(ads(id="web-0"))
    await opened(ads(id="other"))
    second = await opened(ads(await server.connect(), id="web-0"))
    assert told.of("several streams") == []
    await eventually(lambda: told.of("several streams"))
    server.put(service("more"))
    await second.ask(CLUSTER)
    await second.read()
    await asyncio.sleep(0.3)
    (warning,) = told.of("several streams")
    assert (warning["node"], warning["streams"], warning["log_level"]) == ("web-0", 2, "warning")
    peers = {event["peer"] for event in told.of("stream opened") if event["node"] == "web-0"}
    assert {warning["peer"], *warning["others"]} == peers
    assert len(peers) == 2


async def test_a_sidecar_that_comes_back_before_its_last_stream_is_gone_is_no_warning(
    server, ads, told, eventually, monkeypatch
) -> None:
    monkeypatch.setattr(namesakes, "_OVERLAP_S", 0.3)
    first = await opened(ads(id="web-0"))
    second = await opened(ads(id="web-0"))
    first.call.cancel()
    await eventually(lambda: len(server.discovery.sessions) == 1)
    # A stream for each type is no stream too many, nor are two that say nothing of themselves.
    cds = Stream(
        server.channel, "/envoy.service.cluster.v3.ClusterDiscoveryService/DeltaClusters", {"id": "web-0"}
    )
    await cds.ask(CLUSTER)
    await cds.read()
    for _ in range(2):
        await opened(Stream(server.channel, f"{ADS}DeltaAggregatedResources", {}))
    await asyncio.sleep(0.5)
    assert told.of("several streams") == []
    second.call.cancel()


async def test_nothing_is_kept_of_streams_that_are_closed(server, ads, eventually) -> None:
    streams = [await opened(ads(id=f"web-{number // 2}")) for number in range(6)]
    for stream in streams:
        stream.call.cancel()
    await eventually(lambda: not server.discovery.sessions)
    assert server.discovery._namesakes._streams == {}


async def test_what_grpc_tells_of_a_stream_has_its_peer(
    server, ads, caplog: pytest.LogCaptureFixture, monkeypatch, eventually
) -> None:
    seen: list[dict[str, Any]] = []

    class Seeing(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            seen.append({"logger": record.name, **structlog.contextvars.get_contextvars()})
            return True

    monkeypatch.setattr(Session, "take", lambda *_: 1 / 0)
    with caplog.filtering(Seeing()):
        stream = ads()
        await stream.ask(CLUSTER)
        await stream.ended()
        await eventually(lambda: seen)
    assert seen[0]["logger"].startswith("grpc")
    assert seen[0]["peer"].startswith("ipv4:127.0.0.1:")
