"""Runs an ASGI application on the running event loop, as a guest: signals and logging stay the process'."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.applications import Starlette

DRAIN_S = 2
"""How long a request that is being answered may take at the end; a stuck reader must not hold up the exit."""


@asynccontextmanager
async def serving(app: Starlette, host: str, port: int) -> AsyncIterator[int]:
    """Answers HTTP while the block runs; yields the port, which is a free one where 0 was asked for.

    Raises OSError, with a `strerror` that is one line for people, where the address cannot be bound.
    """
    with await _listen(host, port) as listener:
        server = _Guest(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=DRAIN_S,
            )
        )
        running = asyncio.create_task(server.serve(sockets=[listener]), name="admin")
        try:
            await server.opened.wait()
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await running


class _Guest(uvicorn.Server):
    """A server that says when it has opened, and that leaves SIGINT and SIGTERM to whoever runs the loop."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.opened = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # Older uvicorns that are told to exit before they have started never close what they opened.
        try:
            await super().startup(sockets)
        finally:
            self.opened.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _listen(host: str, port: int) -> socket.socket:
    """Bound here, not by uvicorn, which answers a taken port with a log record and SystemExit."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, _, _, _, address = found[0]
        both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
        return socket.create_server((address[0], address[1]), family=family, dualstack_ipv6=both)
    except OSError as error:
        # create_server repeats the address in its own words; the bare reason of the number reads better.
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise OSError(error.errno, f"the admin cannot listen on {place}: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    return str(error.strerror).partition(" (while attempting")[0]
