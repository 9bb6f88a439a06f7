"""Runs an ASGI application on the running event loop. The process keeps control of signals and logging.

Clients may be slow, silent or many: connections have a limit, and a time for each request.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from pilothouse.admin.access.gate import CERTIFICATE
from pilothouse.admin.api.streaming import ABORT, ENDING

DRAIN_S = 2
"""How long a request that is being answered may take at the end; a stuck reader must not hold up the exit."""

REQUEST_S = 5.0
"""How long a client may take for a request, from its first byte; and for a handshake."""

STALLED_S = 5.0
"""How long a client may read nothing of an answer that waits for it."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How a port is served. `name` is what users call it; `idle_s` is how long a connection may be silent
    before a request. Each of the `connections` takes a file descriptor.
    """

    name: str
    connections: int
    idle_s: int = 5
    tls: ssl.SSLContext | None = None


#: The other file descriptors are for sidecars.
ADMIN = Terms("the admin", connections=64)


@asynccontextmanager
async def serving(app: ASGIApp, host: str, port: int, terms: Terms = ADMIN) -> AsyncIterator[int]:
    """Answer HTTP while the block runs, and yield the port. Port 0 asks for a free one.

    Raises OSError if it cannot listen on the address. Its `strerror` is one line for users.
    """
    with await _listen(host, port, terms.name) as listener:
        server = _Guest(
            terms,
            uvicorn.Config(
                app,
                http=_Connection,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=terms.idle_s,
                timeout_graceful_shutdown=DRAIN_S,
            ),
        )
        running = asyncio.create_task(server.serve(sockets=[listener]), name=terms.name)
        try:
            await server.opened.wait()
            yield listener.getsockname()[1]
        finally:
            server.ending.set()
            server.should_exit = True
            await running


class _Guest(uvicorn.Server):
    """A server that reports when it is open, and leaves SIGINT and SIGTERM to the owner of the loop."""

    def __init__(self, terms: Terms, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._terms = terms
        self.opened = asyncio.Event()
        #: Set when no answer may go on for ever any more.
        self.ending = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does, but a handshake has a time too, and a connection knows how many there may be."""
        connection = partial(
            _Connection,
            self._terms,
            config=self.config,
            server_state=self.server_state,
            app_state={ENDING: self.ending},
        )
        tls = self._terms.tls
        timeout_s = None if tls is None else REQUEST_S
        # Older versions of uvicorn never close what they opened if they must exit before they have started.
        try:
            self.servers = [
                await asyncio.get_running_loop().create_server(
                    connection,
                    sock=each,
                    ssl=tls,
                    ssl_handshake_timeout=timeout_s,
                    backlog=self.config.backlog,
                )
                for each in sockets or ()
            ]
            self.started = True
        finally:
            self.opened.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Connection(H11Protocol):
    """A connection. It is closed after a timeout if it sends nothing, or half of a request, or reads nothing
    of its answers.

    If there are too many connections, the oldest one without a request in progress is closed; without such
    a one, the oldest whose client does not read. So a client that opens many cannot keep others out for long.
    """

    _timer: asyncio.TimerHandle | None = None
    _stalling: asyncio.TimerHandle | None = None
    _is_half = False
    _opened = 0.0

    def __init__(self, terms: Terms, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._terms = terms

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {
            **self.app_state,
            ABORT: transport.abort,
            CERTIFICATE: transport.get_extra_info("peercert"),
        }
        self._opened = self.loop.time()
        self._limit(self._terms.idle_s)
        if len(self.connections) > self._terms.connections:
            self._least_needed().transport.abort()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        begun = bool(self.conn.trailing_data[0]) and not self.answering
        if not begun:
            self._relax()
        elif not self._is_half:
            self._limit(REQUEST_S)
            self._is_half = True

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        self._unwatch()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._relax()
        self._unwatch()
        super().connection_lost(exc)

    @property
    def answering(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def _least_needed(self) -> _Connection:
        """The connection to close so that a new one has room: this one if all others are needed."""
        others = (each for each in self.connections if isinstance(each, _Connection) and each is not self)
        spare = (each for each in others if not each.answering or each.flow.write_paused)
        return min(spare, key=lambda each: (each.answering, each._opened), default=self)

    def _watch(self) -> None:
        """Look again later whether the client has read anything of what waits for it."""
        self._unwatch()
        waiting = self.transport.get_write_buffer_size()
        self._stalling = self.loop.call_later(STALLED_S, self._judge, waiting)

    def _judge(self, waited: int) -> None:
        if self.transport.get_write_buffer_size() < waited:
            self._watch()
        else:
            self.transport.abort()

    def _unwatch(self) -> None:
        if self._stalling is not None:
            self._stalling.cancel()
            self._stalling = None

    def _limit(self, seconds: float) -> None:
        self._relax()
        self._timer = self.loop.call_later(seconds, self.transport.abort)

    def _relax(self) -> None:
        self._is_half = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


async def _listen(host: str, port: int, name: str) -> socket.socket:
    """Listen on the address. uvicorn itself would answer a taken port with a log record and SystemExit."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, _, _, _, address = found[0]
        both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
        return socket.create_server((address[0], address[1]), family=family, dualstack_ipv6=both)
    except OSError as error:
        # create_server repeats the address in its own words. The plain reason reads better.
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise OSError(error.errno, f"{name} cannot listen on {place}: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    return str(error.strerror).partition(" (while attempting")[0]
