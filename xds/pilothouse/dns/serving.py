"""The port: UDP and TCP (RFC 7766)."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from time import perf_counter
from typing import Any, Final, Protocol

import structlog

from pilothouse.dns.answers import Answer
from pilothouse.dns.messages import failure
from pilothouse.dns.records import Rcode
from pilothouse.dns.responder import Forward, Onward, Responder
from pilothouse.structures.hostport import HostPort

log = structlog.get_logger(__name__)

#: For so long questions are answered at a stretch, in seconds. Then others have a turn, such as pushes.
_TURN_S = 0.0002
#: The number on Linux: Python does not name it. How many bytes are received about a datagram.
_IP_PKTINFO, _ABOUT = 8, 64
_BUFFER: Final = 1 << 21
_IDLE_S, _MESSAGE_S = 10.0, 5.0
#: In all, and from one address, behind which may be a whole node.
_CONNECTIONS, _OF_ONE = 1024, 256
_WAITING = 1000  # questions that are asked elsewhere at the same time


class Datagrams(Protocol):
    """Where questions come from, and answers go to. What is received with a question says where."""

    def recvfrom(self, size: int, /) -> tuple[bytes, Any]: ...

    def sendto(self, message: bytes, to: Any, /) -> int: ...


class AnyAddress:
    """A UDP socket at all addresses of a machine. An answer leaves from where its question came to.

    Otherwise the kernel chooses an address, and a client takes no answer from another one (RFC 2181, 4.1).
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)

    def recvfrom(self, size: int) -> tuple[bytes, Any]:
        message, about, _, sender = self._sock.recvmsg(size, _ABOUT)
        return message, (sender, [_anywhere(*each) for each in about])

    def sendto(self, message: bytes, to: Any) -> int:
        sender, about = to
        return self._sock.sendmsg([message], about, 0, sender)


def _anywhere(level: int, kind: int, data: bytes) -> tuple[int, int, bytes]:
    """The address that a question came to, by whichever interface the answer leaves: the route decides."""
    if level == socket.IPPROTO_IP:
        return level, kind, bytes(4) + data[4:]
    # At a link-local address the interface is a part of the address.
    return level, kind, data if data[:1] == b"\xfe" else data[:16] + bytes(4)


class Port:
    """Answers on a UDP socket, and on connections."""

    def __init__(self, responder: Responder, forward: Forward | None = None) -> None:
        self._responder, self._forward = responder, forward
        self._waiting = set[asyncio.Task[None]]()
        self._connections = Counter[str]()
        self._lane, self._answering_s = asyncio.Lock(), 0.0

    def datagrams(self, sock: Datagrams) -> None:
        """Answer what has come in. To be called when the socket can be read."""
        end = perf_counter() + _TURN_S
        while self._datagram(sock) and perf_counter() < end:
            pass

    def _datagram(self, sock: Datagrams) -> bool:
        """Answer one. False if there is none."""
        try:
            message, sender = sock.recvfrom(4096)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            return True  # somebody before has closed the port to which the answer went
        found = self._responded(message, datagram=True)
        if isinstance(found, Onward):
            self._later(found, sock, sender)
        elif found:
            _send(sock, found, sender)
        return True

    def close(self) -> None:
        """Wait for nobody any more."""
        for task in self._waiting:
            task.cancel()

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one question after the other until the client leaves or is too slow."""
        peer = writer.get_extra_info("peername")
        host = str(peer[0]) if peer else ""
        self._connections[host] += 1
        try:
            if self._connections.total() <= _CONNECTIONS and self._connections[host] <= _OF_ONE:
                with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                    await self._conversation(reader, writer)
        finally:
            self._connections[host] -= 1
            if not self._connections[host]:
                del self._connections[host]
            writer.transport.abort()

    async def _conversation(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            async with asyncio.timeout(_IDLE_S):
                length = await reader.readexactly(2)
            async with asyncio.timeout(_MESSAGE_S):
                message = await reader.readexactly(int.from_bytes(length))
                found = await self._in_turn(message)
                if isinstance(found, Onward):
                    found = await self._asked_elsewhere(found, datagram=False)
                if not found:
                    return
                writer.write(len(found).to_bytes(2) + found)
                await writer.drain()

    async def _in_turn(self, message: bytes) -> bytes | Onward:
        """What is responded on a connection. All connections together have one turn, as datagrams have."""
        async with self._lane:
            if self._answering_s > _TURN_S:
                await asyncio.sleep(0)
                self._answering_s = 0.0
            begun = perf_counter()
            found = self._responded(message, datagram=False)
            self._answering_s += perf_counter() - begun
            return found

    def _responded(self, message: bytes, *, datagram: bool) -> bytes | Onward:
        try:
            return self._responder.respond(message, datagram=datagram)
        except Exception:
            log.error("a question could not be answered", exc_info=True)
            return failure(message)

    def _later(self, onward: Onward, sock: Datagrams, sender: Any) -> None:
        if len(self._waiting) >= _WAITING:
            _send(sock, self._failed(onward, datagram=True), sender)
            return

        async def answer() -> None:
            _send(sock, await self._asked_elsewhere(onward, datagram=True), sender)

        task = asyncio.create_task(answer())
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _asked_elsewhere(self, onward: Onward, *, datagram: bool) -> bytes:
        assert self._forward is not None, "a responder that forwards has somebody to ask"
        try:
            found = await self._forward(onward)
        except Exception:
            log.error("a question could not be asked elsewhere", exc_info=True)
            return self._failed(onward, datagram=datagram)
        return self._responder.finished(onward.query, found, datagram=datagram)

    def _failed(self, onward: Onward, *, datagram: bool) -> bytes:
        failure = Answer(Rcode.SERVFAIL, authoritative=False)
        return self._responder.finished(onward.query, failure, datagram=datagram)


def _send(sock: Datagrams, message: bytes, to: Any) -> None:
    # If the client is gone or the buffer full, the answer is lost, as any datagram may be. Clients ask again.
    with suppress(OSError):
        sock.sendto(message, to)


@asynccontextmanager
async def serving(port: Port, address: HostPort, shared: bool = False) -> AsyncIterator[int]:
    """Listen over UDP and TCP. Yields the port. `shared`: with other processes.

    Raises OSError with one line of text if the address cannot be listened on.
    """
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as opened:
        try:
            udp, tcp = await _sockets(address, shared)
        except OSError as error:
            raise OSError(error.errno, f"--dns {address}: {error.strerror or error}") from None
        opened.callback(udp.close)
        everywhere = udp.getsockname()[0] in ("0.0.0.0", "::")
        loop.add_reader(udp, port.datagrams, AnyAddress(udp) if everywhere else udp)
        opened.callback(loop.remove_reader, udp)
        opened.callback(port.close)
        server = await asyncio.start_server(port.connection, sock=tcp, limit=1 << 16)
        opened.callback(server.close)
        yield udp.getsockname()[1]


async def _sockets(address: HostPort, shared: bool) -> tuple[socket.socket, socket.socket]:
    """One for datagrams and one for connections, on the same port."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)
    family, _, _, _, at = found[0]
    udp = socket.socket(family, socket.SOCK_DGRAM)
    tcp = socket.socket(family, socket.SOCK_STREAM)
    try:
        for each in (udp, tcp):
            each.setblocking(False)
            if shared:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        tcp.bind(at)
        udp.bind((at[0], tcp.getsockname()[1], *at[2:]))
        tcp.listen(128)
    except OSError:
        udp.close()
        tcp.close()
        raise
    return udp, tcp
