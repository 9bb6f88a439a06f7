"""However many read, the event loop belongs to others most of the time."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from pilothouse.structures import lane as lanes
from pilothouse.structures.lane import Lane, leaving
from pilothouse.structures.turns import PAUSE, Turn


async def work(lane: Lane, name: str, turns: int, log: list[str]) -> None:
    turn = Turn(0.0)
    async with lane.taken():
        for _ in range(turns):
            await turn.over()
            log.append(name)


@pytest.fixture
def lane() -> Lane:
    return Lane(rest_s=0.001)


async def test_readers_have_a_turn_each_in_order(lane: Lane) -> None:
    log: list[str] = []
    async with asyncio.TaskGroup() as tasks:
        for name in "abc":
            tasks.create_task(work(lane, name, 3, log))
    assert log == [*"abcabcabc"]


async def test_after_each_turn_readers_rest_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    lane, log, rests = Lane(rest_s=0.05), list[str](), list[float]()
    sleep = asyncio.sleep

    async def counted(seconds: float) -> None:
        rests.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", counted)
    async with asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(work(lane, str(number), 5, log))
    assert len(log) == 100
    assert len(rests) == 100
    assert min(rests) >= 0.05


async def test_a_turn_that_takes_long_is_followed_by_a_longer_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    now, rests = [100.0], list[float]()

    async def rested(seconds: float) -> None:
        rests.append(seconds)

    monkeypatch.setattr(lanes, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(asyncio, "sleep", rested)
    async with Lane(rest_s=0.001).taken():
        now[0] += 0.5
        await PAUSE.get()()
        await PAUSE.get()()
    assert rests == [2.0, 0.001]


async def test_a_reader_that_is_cancelled_gives_its_place_up(lane: Lane, eventually: Any) -> None:
    log: list[str] = []
    endless = asyncio.create_task(work(lane, "endless", 1_000_000, log))
    other = asyncio.create_task(work(lane, "other", 1_000_000, log))
    await eventually(lambda: "other" in log)
    for cancelled in (endless, other):
        cancelled.cancel()
        await asyncio.wait([cancelled])
    await asyncio.wait_for(work(lane, "next", 1, log), 30)
    assert log[-1] == "next"


async def test_a_page_that_fails_leaves_the_lane(lane: Lane) -> None:
    before = PAUSE.get()
    with pytest.raises(ValueError, match="no such page"):
        async with lane.taken():
            raise ValueError("no such page")
    assert PAUSE.get() is before
    async with lane.taken():
        assert PAUSE.get() is not before


async def test_a_reader_that_is_cancelled_while_it_waits_takes_nobody_s_turn() -> None:
    lane, entered, leave = Lane(rest_s=0.0), list[str](), asyncio.Event()

    async def hold(name: str) -> None:
        async with lane.taken():
            entered.append(name)
            await leave.wait()

    async def pauses() -> None:
        async with lane.taken():
            entered.append("pauses")
            await PAUSE.get()()

    waits = asyncio.create_task(pauses())
    holds, third = asyncio.create_task(hold("holds")), asyncio.create_task(hold("third"))
    while "holds" not in entered:  # noqa: ASYNC110  (no event tells which one has the turn)
        await asyncio.sleep(0)
    waits.cancel()
    await asyncio.wait([waits])
    for _ in range(10):
        await asyncio.sleep(0)
    assert entered == ["pauses", "holds"]
    leave.set()
    await asyncio.wait_for(asyncio.gather(holds, third), 30)
    assert entered == ["pauses", "holds", "third"]


async def test_who_waits_for_something_else_lets_others_have_their_turns(lane: Lane) -> None:
    log, answered = list[str](), asyncio.Event()

    async def waits() -> None:
        async with lane.taken():
            async with leaving():
                log.append("leaves")
                await answered.wait()
            log.append("is back")
            assert lane._turn.locked()

    waiting = asyncio.create_task(waits())
    await asyncio.wait_for(work(lane, "other", 2, log), 30)
    answered.set()
    await asyncio.wait_for(waiting, 30)
    assert log == ["leaves", "other", "other", "is back"]
    await asyncio.wait_for(work(lane, "next", 1, log), 30)


async def test_what_fails_outside_of_the_lane_goes_on_in_it(lane: Lane) -> None:
    async with lane.taken():
        with pytest.raises(ValueError, match="no disk"):
            async with leaving():
                raise ValueError("no disk")
        assert lane._turn.locked()
        await PAUSE.get()()
    await asyncio.wait_for(work(lane, "next", 1, []), 30)


async def test_who_is_cancelled_outside_of_the_lane_does_not_come_back() -> None:
    lane, left = Lane(rest_s=0.0), asyncio.Event()

    async def waits() -> None:
        async with lane.taken(), leaving():
            left.set()
            await asyncio.Event().wait()

    waiting = asyncio.create_task(waits())
    await left.wait()
    async with lane.taken():
        waiting.cancel()
        await asyncio.wait_for(asyncio.wait([waiting]), 30)
    assert waiting.cancelled()
    await asyncio.wait_for(work(lane, "next", 1, []), 30)


async def test_outside_of_a_lane_there_is_nothing_to_leave() -> None:
    async with leaving():
        pass
