"""The callers and the backends: who answered, and that nothing is ever sent twice."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, closing
from fractions import Fraction

import pytest

from pilothouse.config.settings import ConfigError
from pilothouse.demo import backends
from pilothouse.demo.mesh import START
from pilothouse.demo.ports import Ports
from pilothouse.demo.shares import REFUSED
from pilothouse.demo.sightings import Sightings, Watch
from pilothouse.demo.traffic import Connection, drive, outcome

ADDRESSES = [pod.address for pod in START.pods]
HEAD = "HTTP/1.1 {} x\r\nContent-Length: 2\r\n{}\r\nhi"


@asynccontextmanager
async def answering(*answers: str | None):
    """A server that gives these answers in turn, None by closing; yields its port and what it read."""
    heard: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            while head := (await reader.read(4096)).decode():
                heard.append(head)
                answer = answers[len(heard) - 1]
                if answer is None:
                    return
                writer.write(answer.encode())

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], heard


async def test_every_backend_answers_with_its_name_on_its_own_address() -> None:
    port = Ports().free(ADDRESSES)
    async with backends.serving(START.pods, port):
        for pod in START.pods:
            connection = Connection(pod.address, port)
            assert [await outcome(connection, "any") for _ in range(3)] == [pod.name] * 3
            connection.close()


async def test_a_connection_is_kept_and_says_the_host() -> None:
    ok = HEAD.format(200, "X-Pod: a1\r\n")
    async with answering(ok, ok) as (port, heard):
        connection = Connection("127.0.0.1", port)
        assert [await outcome(connection, "payments.shop") for _ in range(2)] == ["a1", "a1"]
        connection.close()
    assert heard == ["GET / HTTP/1.1\r\nhost: payments.shop\r\n\r\n"] * 2


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (HEAD.format(503, ""), REFUSED),
        (HEAD.format(200, ""), "200"),
        (HEAD.format(500, "x-pod: a1\r\n"), "500"),
        ("HTTP/1.1 200 OK\r\n\r\n", "a broken connection"),
        (None, "a broken connection"),
    ],
)
async def test_what_no_pod_answered_is_named_and_not_tried_again(answer, expected) -> None:
    async with answering(answer, HEAD.format(200, "x-pod: a1\r\n")) as (port, heard):
        connection = Connection("127.0.0.1", port)
        assert await outcome(connection, "any") == expected
        assert len(heard) == 1
        assert await outcome(connection, "any") == "a1"
        connection.close()


async def test_nobody_there_is_a_broken_connection() -> None:
    assert await outcome(Connection("127.0.0.1", Ports().free()), "any") == "a broken connection"


async def test_a_connection_that_is_to_be_closed_is_made_anew() -> None:
    last = HEAD.format(200, "Connection: close\r\nx-pod: a1\r\n")
    async with answering(last, last) as (port, heard):
        connection = Connection("127.0.0.1", port)
        assert [await outcome(connection, "any") for _ in range(2)] == ["a1", "a1"]
    assert len(heard) == 2


async def test_requests_are_driven_until_cancelled(eventually) -> None:
    sightings = Sightings(Watch({"a1": Fraction(1)}, {"a1": Fraction(1)}, in_turn=True, changed_s=0))
    async with answering(*[HEAD.format(200, "x-pod: a1\r\n")] * 10_000) as (port, _):
        driving = asyncio.create_task(drive("any", port, 500.0, sightings))
        await eventually(lambda: sightings.sent >= 20)
        driving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await driving
    assert sightings.failed == 0


def test_ports_are_free_below_those_of_clients_and_given_out_once() -> None:
    ports = Ports()
    found = [ports.free(ADDRESSES) for _ in range(20)]
    assert len(set(found)) == 20
    assert all(1024 < port < 32_768 for port in found)


def test_a_port_is_given_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = Ports()
    given = [ports.free()]
    monkeypatch.setattr("random.sample", lambda *_: given)
    with pytest.raises(ConfigError, match="they are all taken"):
        ports.free()


def test_where_nobody_may_listen_it_says_so() -> None:
    with pytest.raises(ConfigError, match=r"^demo: there is no port to listen on at 192\.0\.2\.1 \("):
        Ports().free(["192.0.2.1"])


def test_a_port_that_is_taken_is_not_given_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.12", 0)) as taken:
        monkeypatch.setattr("random.sample", lambda *_: [taken.getsockname()[1]])
        with pytest.raises(ConfigError, match=r"127\.0\.0\.12: Address already in use"):
            Ports().free(["127.0.0.11", "127.0.0.12"])
