"""Requests through a sidecar, one at a time or many a second, and who answered them."""

from __future__ import annotations

import asyncio
from collections import Counter
from types import TracebackType
from typing import NamedTuple, Self

_WORKERS = 8


class Answer(NamedTuple):
    """The status of a response and its body, which is the name of the backend that served it."""

    status: int
    body: str


class Connection:
    """HTTP/1.1 with keep-alive, and just as much of it as Envoy's answers need."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, host: str, path: str = "/") -> Answer:
        """Send one request. Raises OSError or EOFError if no whole answer comes."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(*self._address)
        self._writer.write(f"GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        status, *lines = head.split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines if line)
        body = await self._reader.readexactly(int(fields.get("content-length", 0)))
        if fields.get("connection") == "close":
            await self.close()
        return Answer(int(status.split()[1]), body.decode())

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


async def ask(address: tuple[str, int], host: str) -> Answer:
    """The answer to one request on a connection of its own."""
    connection = Connection(address)
    try:
        return await connection.ask(host)
    finally:
        await connection.close()


async def served(address: tuple[str, int], host: str, requests: int) -> Counter[str]:
    """How many of so many requests, one after the other, each backend served."""
    connection = Connection(address)
    try:
        answers = [await connection.ask(host) for _ in range(requests)]
    finally:
        await connection.close()
    assert {answer.status for answer in answers} == {200}, Counter(answers)
    return Counter(answer.body for answer in answers)


class Load:
    """Requests for one host at a steady rate a second, from several keep-alive connections.

    `answers` counts all that came; `failures` are those that should not have: a status other than
    200, or none.
    """

    def __init__(self, address: tuple[str, int], host: str, rate: float = 400) -> None:
        self.answers: Counter[Answer] = Counter()
        self.failures: list[str] = []
        self.sent = 0
        self._goal, self._reached = 0, asyncio.Event()
        self._address, self._host, self._pause = address, host, 1 / rate

    @property
    def served(self) -> Counter[str]:
        """How many requests each backend served."""
        return Counter({answer.body: count for answer, count in self.answers.items() if answer.status == 200})

    async def __aenter__(self) -> Self:
        self._next = asyncio.get_running_loop().time()
        self._workers = [asyncio.create_task(self._work()) for _ in range(_WORKERS)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    async def more(self, count: int) -> None:
        """Wait until so many more requests have been answered, or have failed."""
        self._goal, self._reached = self.sent + count, asyncio.Event()
        async with asyncio.timeout(30):
            await self._reached.wait()

    async def _work(self) -> None:
        connection = Connection(self._address)
        try:
            while True:
                # One timetable for all: who is free takes the next request when its time has come.
                due, self._next = self._next, self._next + self._pause
                await asyncio.sleep(due - asyncio.get_running_loop().time())
                try:
                    answer = await connection.ask(self._host)
                except (OSError, EOFError) as error:
                    self.failures.append(repr(error))
                    await connection.close()
                else:
                    self.answers[answer] += 1
                    if answer.status != 200:
                        self.failures.append(f"{answer.status} {answer.body}")
                self.sent += 1
                if self.sent >= self._goal:
                    self._reached.set()
        finally:
            await connection.close()
