"""Sends requests at a steady rate over kept connections. Nothing is retried, so every failure counts."""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

from pilothouse.demo.sightings import Sightings

POD_HEADER = "x-pod"
"""In which a backend says who it is."""

_TIMEOUT_S = 5.0
_LATE_S = 0.5
"""A pause that is longer than this is not made up for by a burst."""


class Answer(NamedTuple):
    """A response. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """An HTTP/1.1 connection to one address, with one request at a time."""

    def __init__(self, host: str, port: int) -> None:
        self._place = (host, port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, host: str, path: str = "/") -> Answer:
        """Send one GET, once. Raises OSError, EOFError or ValueError; the next call then connects again."""
        # Put back only if everything went well.
        streams, self._streams = self._streams, None
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                streams = streams or await asyncio.open_connection(*self._place)
                reader, writer = streams
                writer.write(f"GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
                answer = await _answer(reader)
            if answer.headers.get("connection") != "close":
                self._streams = streams
        finally:
            if streams is not None and self._streams is None:
                streams[1].close()
        return answer

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    body = await reader.readexactly(int(headers["content-length"]))
    return Answer(int(head[0].split(" ", 2)[1]), headers, body)


async def outcome(connection: Connection, host: str) -> str:
    """The name of the pod that answered, or the status, or what went wrong."""
    try:
        answer = await connection.get(host)
    except TimeoutError:
        return "no answer"
    except (OSError, EOFError, ValueError, LookupError):
        return "a broken connection"
    pod = answer.headers.get(POD_HEADER)
    return pod if pod and answer.status == 200 else str(answer.status)


async def drive(host: str, port: int, per_s: float, sightings: Sightings) -> None:
    """Send requests for a host name to an egress listener, at a rate per second, until cancelled."""
    connection = Connection("127.0.0.1", port)
    due = time.monotonic()
    try:
        while True:
            sent = time.monotonic()
            seen = await outcome(connection, host)
            now = time.monotonic()
            sightings.see(sent, now, seen)
            due = max(due + 1 / per_s, now - _LATE_S)
            await asyncio.sleep(max(0.0, due - now))
    finally:
        connection.close()
