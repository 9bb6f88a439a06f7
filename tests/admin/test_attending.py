"""A page is worked out for somebody who waits; a what-if for few at a time. Seen over real sockets."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from pilothouse.admin.http import admin
from pilothouse.admin.reading import what_if
from pilothouse.admin.serve import serving
from pilothouse.journal.disk import Unkept
from pilothouse.sources.files.source import FilesSource

from .test_api import Starting

HOST = "127.0.0.1"
SERVICE = "{apiVersion: v1, kind: Service, metadata: {name: a, namespace: shop}, spec: {ports: [{port: 80}]}}"
SAID = json.dumps({"files": [{"name": "a.yaml", "text": SERVICE, "namespace": "shop"}]}).encode()


class Served:
    """The admin on a port. What is read of manifests for a what-if waits until the test lets it go on."""

    port = 0

    def __init__(self, busy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reader = Starting(busy)
        parts = replace(self.reader._parts, sources=[FilesSource([])])
        self.reader._what_if = what_if.WhatIf(parts, self.reader._discovery)
        self.busy, self.go, self.read = busy, threading.Event(), list[str]()
        declared = what_if._declared

        def waits(*said: Any) -> Any:
            self.read.append("begun")
            self.go.wait(30)
            return declared(*said)

        monkeypatch.setattr(what_if, "_declared", waits)

    async def get(self, page: str) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.get(f"http://{HOST}:{self.port}/api/v1/{page}", timeout=30)

    async def what_if(self) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False) as client:
            address, kind = f"http://{HOST}:{self.port}/api/v1/what-if", {"content-type": "application/json"}
            return await client.post(address, content=SAID, headers=kind, timeout=30)

    async def leave_after(self, request: bytes) -> asyncio.StreamWriter:
        _, writer = await asyncio.open_connection(HOST, self.port)
        writer.write(request)
        await writer.drain()
        return writer


@pytest.fixture
async def served(busy: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    found = Served(busy, monkeypatch)
    async with serving(admin(lambda: busy, lambda: found.reader), HOST, 0) as found.port:
        try:
            yield found
        finally:
            found.go.set()


def post() -> bytes:
    head = f"POST /api/v1/what-if HTTP/1.1\r\nhost: x\r\ncontent-length: {len(SAID)}\r\n"
    return head.encode() + b"content-type: application/json\r\n\r\n" + SAID


async def test_another_page_is_answered_while_a_what_if_reads_its_manifests(served, eventually) -> None:
    asking = asyncio.create_task(served.what_if())
    await eventually(lambda: served.read)
    assert (await served.get("status")).status_code == 200
    assert not asking.done()
    served.go.set()
    answer = await asking
    assert (answer.status_code, answer.json()["touched"]) == (200, 1)


async def test_more_than_two_what_ifs_at_a_time_are_told_to_come_back(served, eventually) -> None:
    asking = [asyncio.create_task(served.what_if()) for _ in range(2)]
    await eventually(lambda: len(served.read) == 2)
    third = await served.what_if()
    assert third.status_code == 503
    assert third.json() == {"error": "2 what-ifs are being worked out, which is the most: ask again later"}
    served.go.set()
    assert [each.status_code for each in await asyncio.gather(*asking)] == [200, 200]
    assert (await served.what_if()).status_code == 200


async def test_a_what_if_ends_when_its_client_leaves_and_its_thread_counts_until_it_ends(
    served, eventually, monkeypatch
) -> None:
    tried = list[Any]()
    monkeypatch.setattr(what_if, "_tried", lambda *said: tried.append(said))
    writers = [await served.leave_after(post()) for _ in range(2)]
    await eventually(lambda: len(served.read) == 2)
    for each in writers:
        each.transport.abort()
    for _ in range(3):
        assert (await served.what_if()).status_code == 503
    served.go.set()
    await eventually(lambda: served.reader._what_if._running == 0)
    assert tried == []


async def test_a_page_ends_when_its_client_leaves(served) -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def states() -> Any:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    served.reader.states = states
    writer = await served.leave_after(b"GET /api/v1/status HTTP/1.1\r\nhost: x\r\n\r\n")
    await asyncio.wait_for(begun.wait(), 30)
    writer.transport.abort()
    await asyncio.wait_for(cancelled.wait(), 30)
    assert (await served.get("sources")).status_code == 200


async def test_another_page_is_answered_while_the_disk_of_the_journal_hangs(served) -> None:
    asked, answers = asyncio.Event(), asyncio.Event()

    async def hangs(*_: Any) -> list[bytes]:
        asked.set()
        await answers.wait()
        raise Unkept("the disk gives no answer")

    served.reader._history.journal.earlier = hangs
    asking = asyncio.create_task(served.get("changes"))
    await asyncio.wait_for(asked.wait(), 30)
    assert (await served.get("status")).status_code == 200
    assert not asking.done()
    answers.set()
    assert (await asking).status_code == 503
    assert (await served.get("status")).status_code == 200
