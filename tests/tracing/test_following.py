"""Which changes are traced, and when: each once, when it has ended."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from pilothouse.journal import progress
from pilothouse.model.services import ServiceName
from pilothouse.registry.revisions import Revisions
from pilothouse.sources import Cause
from pilothouse.structures.delivery import Delivery, confirmed, told
from pilothouse.tracing import following
from pilothouse.tracing.following import Tracing
from pilothouse.tracing.spans import Span

CART = ServiceName("shop", "cart")


class Taken:
    """Takes traces, and remembers of which changes they are."""

    sent, lost, failure, closed = 0, 0, "", False

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def offer(self, number: int, trace: Span) -> None:
        self.numbers.append(number)

    async def close(self) -> None:
        self.closed = True


class Rig:
    def __init__(self, most: int = 1000) -> None:
        self.now = 1.0
        self.revisions, self.sender = Revisions(most, 60.0, lambda: self.now), Taken()
        self.tracing = Tracing(self.revisions, self.sender)

    def change(self) -> None:
        self.revisions.note("files", Cause(), [CART])

    def publish(self, recipients: int = 0) -> tuple[Delivery, list[Any]]:
        delivery = self.revisions.take()
        assert delivery is not None
        held = [told((), delivery) for _ in range(recipients)]
        delivery.told_all()
        return delivery, held

    async def traced(self) -> list[int]:
        await self.tracing.look()
        return self.sender.numbers


async def test_a_change_is_traced_once_when_its_last_answer_is_there() -> None:
    rig = Rig()
    rig.change()
    assert await rig.traced() == []
    _, held = rig.publish(recipients=2)
    assert await rig.traced() == []
    confirmed(held[0], 2.0, "web-1")
    assert await rig.traced() == []
    confirmed(held[1], 3.0, "web-2")
    assert await rig.traced() == [1]
    assert await rig.traced() == [1]


async def test_a_change_that_is_over_at_once_is_traced_too() -> None:
    rig = Rig()
    rig.change()
    rig.change()
    rig.publish()
    assert await rig.traced() == [1, 2]
    assert await rig.traced() == [1, 2]


async def test_a_change_that_some_never_answer_is_traced_when_it_is_given_up() -> None:
    rig = Rig()
    rig.change()
    rig.publish(recipients=1)
    rig.now += 59
    assert await rig.traced() == []
    rig.now += 2
    assert await rig.traced() == [1]


async def test_changes_are_traced_in_whatever_order_they_end() -> None:
    rig = Rig()
    rig.change()
    _, first = rig.publish(recipients=1)
    rig.change()
    rig.publish()
    assert await rig.traced() == [2]
    confirmed(first[0], 2.0, "web-1")
    assert await rig.traced() == [2, 1]


async def test_a_change_that_is_still_told_is_not_over_and_none_after_it_is_passed_over() -> None:
    rig = Rig()
    rig.change()
    delivery = rig.revisions.take()
    assert delivery is not None
    assert await rig.traced() == []
    delivery.told_all()
    assert await rig.traced() == [1]


async def test_changes_that_were_forgotten_before_a_look_are_lost_and_counted() -> None:
    rig = Rig(most=10)
    for _ in range(25):
        rig.change()
        rig.publish()
    assert await rig.traced() == [*range(16, 26)]
    assert rig.tracing.lost == 15


async def test_changes_whose_end_could_not_be_followed_are_lost_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "_MOST_OPEN", 3)
    rig = Rig()
    for _ in range(5):
        rig.change()
        rig.publish(recipients=1)
    with capture_logs() as log:
        await rig.traced()
    assert rig.tracing.lost == 2
    assert [each["event"] for each in log] == ["traces are lost: there are more than can be sent"]


async def test_what_has_ended_until_the_end_is_traced_and_the_sender_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(following, "LOOK_S", 3600.0)
    rig = Rig()
    running = asyncio.create_task(rig.tracing.run())
    await asyncio.sleep(0)
    rig.change()
    rig.publish()
    running.cancel()
    await asyncio.wait([running])
    assert rig.sender.numbers == [1]
    assert rig.sender.closed


async def test_that_traces_are_lost_is_said_once_and_once_that_they_are_sent_again() -> None:
    rig = Rig()
    with capture_logs() as log:
        for failure in ("", "no route", "no route", "timeout", "", ""):
            rig.sender.failure = failure
            await rig.tracing.look()
    assert [(each["event"], each.get("reason")) for each in log] == [
        ("traces cannot be sent, and are lost", "no route"),
        ("traces are sent again", None),
    ]
