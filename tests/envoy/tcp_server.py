"""A TCP server on this machine that leaves nothing open when it stops."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress

from ..ports import free_port


class TcpServer:
    """A subclass says what a conversation is; it ends when the peer, or `stop`, closes the connection."""

    host = "127.0.0.1"
    port = 0
    tls: ssl.SSLContext | None = None

    def __init__(self) -> None:
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Listen on `port`, which is any free one the first time."""
        self.port = self.port or free_port()  # not one of the kernel's, which it could lend before a restart
        self._server = await asyncio.start_server(self._accept, self.host, self.port, ssl=self.tls)

    async def stop(self) -> None:
        self._server.close()
        conversations = list(self._open.values())
        self.hang_up()
        await asyncio.gather(*conversations)

    def hang_up(self) -> None:
        """Break every connection, as a network would."""
        for writer in self._open:
            writer.transport.abort()

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[writer] = task
        try:
            with suppress(EOFError, ConnectionError):
                await self.converse(reader, writer)
        finally:
            del self._open[writer]
            writer.close()
