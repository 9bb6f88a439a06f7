"""The last events, without a network: what is remembered, for whom, and when nobody looks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from pilothouse.admin.api import events as module
from pilothouse.admin.api.events import Events, Told
from pilothouse.admin.api.views import HoldEnded


class Scripted:
    """Finds what the test says."""

    def __init__(self) -> None:
        self.begun = 0
        self.looks = 0
        self.next: list[Told | Exception] = []

    async def begin(self) -> None:
        self.begun += 1

    async def found(self) -> AsyncIterator[Told]:
        self.looks += 1
        found, self.next = self.next, []
        for each in found:
            if isinstance(each, Exception):
                raise each
            yield each


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    monkeypatch.setattr(module, "LOOK_S", 0.0)
    return Scripted()


@pytest.fixture
def events(scripted: Scripted) -> Events:
    return Events(scripted)


def hold(source: str = "files") -> HoldEnded:
    return HoldEnded(source, True)


def texts(events: Events, number: int) -> list[bytes]:
    found = events.after(number)
    assert found is not None
    return [event.text for event in found]


def test_an_event_is_written_in_ascii_with_its_number_kind_and_data(events) -> None:
    before = events.last
    events.add("hold", hold("b\udce4ckerei\nx"))
    number = before + 1
    assert texts(events, before) == [
        f'id: {number}\nevent: hold\ndata: {{"source": "b\\udce4ckerei\\nx", "ended": true}}\n\n'.encode()
    ]


def test_what_was_missed_is_found_by_the_number_of_the_last_event(events) -> None:
    for number in range(5):
        events.add("hold", hold(str(number)))
    assert len(texts(events, events.last - 3)) == 3
    assert texts(events, events.last) == []


@pytest.mark.parametrize("number", [-1, 0, 1, 10**18])
def test_a_number_that_was_never_sent_is_not_remembered(events, number) -> None:
    events.add("hold", hold())
    assert events.after(number) is None


def test_only_so_many_events_are_remembered(events, monkeypatch) -> None:
    monkeypatch.setattr(module, "_MOST", 3)
    before = events.last
    for number in range(4):
        events.add("hold", hold(str(number)))
    assert events.after(before) is None
    assert len(texts(events, before + 1)) == 3


def test_only_so_many_bytes_are_remembered(events, monkeypatch) -> None:
    monkeypatch.setattr(module, "_LARGEST", 2000)
    before = events.last
    for _ in range(3):
        events.add("hold", hold("x" * 900))
    assert events.after(before) is None
    assert len(texts(events, before + 1)) == 2


def test_numbers_of_a_later_process_are_greater() -> None:
    first = Events(Scripted())
    for _ in range(10):
        first.add("hold", hold())
    second = Events(Scripted())
    assert second.after(first.last) is None
    assert second.last > first.last


async def test_nothing_is_looked_at_while_nobody_reads(events, scripted, eventually, monkeypatch) -> None:
    assert scripted.begun == 0
    async with events.reading():
        assert scripted.begun == 1
        await eventually(lambda: scripted.looks > 3)
    looks = scripted.looks
    await eventually(lambda: scripted.looks > looks)  # somebody may come back
    monkeypatch.setattr(module, "_ABSENCE_S", 0.0)
    await eventually(events._looking.done)
    before = events.last
    async with events.reading():
        assert scripted.begun == 2
    assert events.after(before) is None, "what happened meanwhile was not seen"


async def test_readers_share_the_looks(events, scripted) -> None:
    async with events.reading(), events.reading():
        assert scripted.begun == 1


async def test_readers_are_limited(events) -> None:
    readers = [events.reading() for _ in range(module.READERS)]
    for each in readers:
        assert not events.full
        await each.__aenter__()
    assert events.full
    await readers[0].__aexit__(None, None, None)
    assert not events.full
    for each in readers[1:]:
        await each.__aexit__(None, None, None)


async def test_what_is_found_is_told_to_who_waits(events, scripted) -> None:
    async with events.reading():
        place, stirred = events.last, events.stirred
        scripted.next = [("hold", hold())]
        await asyncio.wait_for(stirred.wait(), 10)
        assert len(texts(events, place)) == 1


async def test_a_look_that_fails_is_an_error_for_who_reads_and_the_next_reader_looks_anew(
    events, scripted, eventually
) -> None:
    async with events.reading():
        scripted.next = [ZeroDivisionError("a mistake of ours")]
        await eventually(events._looking.done)
        with pytest.raises(ZeroDivisionError):
            events.after(events.last)
    async with events.reading():
        assert scripted.begun == 2
        assert events.after(events.last) == []
