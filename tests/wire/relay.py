"""A relay of TCP connections that can be cut as a cable is: without a word."""

from __future__ import annotations

import asyncio
import socket
import struct
from types import TracebackType
from typing import Self


class Relay:
    """Listens while the context is open, on `port`, and leads to another port of this machine."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self._target = target
        self._to_server = 0  # bytes
        self._carried = asyncio.Event()
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def carries(self, more: int) -> None:
        """Wait until so many more bytes were carried to the server."""
        enough = self._to_server + more
        while self._to_server < enough:
            self._carried.clear()
            await self._carried.wait()

    def cut(self) -> None:
        """Reset every connection, on both sides."""
        for writer in self._writers:
            found = writer.get_extra_info("socket")
            if found is not None and found.fileno() >= 0:
                found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        self._writers.clear()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, on = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers += [writer, on]
        for source, sink in ((reader, on), (there, writer)):
            task = asyncio.create_task(self._copy(source, sink, count=source is reader))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, count: bool) -> None:
        try:
            while data := await source.read(1 << 16):
                if count:
                    self._to_server += len(data)
                    self._carried.set()
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.close()
