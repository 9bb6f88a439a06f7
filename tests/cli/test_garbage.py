"""A control plane that answers anything at all: every command ends with one line and exit 2."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from socket import create_server, socket
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import pytest

from pilothouse.cli import asking, watch
from pilothouse.structures.hostport import HostPort

PROGRAM = Path(sys.executable).with_name("pilothouse")
NUMBERS = count()


class Scripted:
    """A server that answers each connection as it is told, on a free port."""

    def __init__(self) -> None:
        self.answer: Callable[[socket], None] = said({})
        self.ended = Event()
        self._listener = create_server(("127.0.0.1", 0))
        self.admin = f"127.0.0.1:{self._listener.getsockname()[1]}"
        Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket) -> None:
        with suppress(OSError), connection:
            connection.recv(1 << 16)
            self.answer(connection)

    def stop(self) -> None:
        self.ended.set()
        self._listener.close()


@pytest.fixture
def server() -> Iterator[Scripted]:
    found = Scripted()
    yield found
    found.stop()


def body(content: bytes, kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(content)}\r\n\r\n"
    return head.encode() + content


def said(found: Any) -> Callable[[socket], None]:
    return lambda connection: connection.sendall(body(json.dumps(found).encode()))


def raw(content: bytes) -> Callable[[socket], None]:
    return lambda connection: connection.sendall(content)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (said({"next": "x"}), "the answer is not understood: it has no items"),
        (said({"items": 3}), "the answer is not understood: it has no items"),
        (said({"items": [], "next": "x"}), "its list has no end"),
        (said({"items": [], "next": 7}), "its list has no end"),
        (said({"items": [], "next": "\ud800"}), "its list has no end"),
        (raw(body(b"[" * 200_000)), "its answer is no JSON (HTTP 200); is it the admin port?"),
        (raw(body(b"9" * 5_000)), "its answer is no JSON (HTTP 200); is it the admin port?"),
        (raw(body(b"\xff")), "its answer is no JSON (HTTP 200); is it the admin port?"),
        (raw(body(b"{}").replace(b"th: 2", b"th: 3")), "no answer in HTTP: IncompleteRead"),
        (raw(b"SSH-2.0-x\r\n"), "no answer in HTTP: BadStatusLine"),
    ],
)
@pytest.mark.parametrize("command", [("services",), ("proxies",), ("diff", "a"), ("resources", "a")])
def test_garbage_is_one_line(server, pilothouse, command, answer, why) -> None:
    server.answer = answer
    outcome = pilothouse(*command, "--admin", server.admin)
    assert outcome.refused(f"{server.admin}: {why}"), outcome


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("proxies", "a"),
        ("services", "a/b"),
        ("trace", "1"),
        ("explain", "a"),
        ("top",),
        ("release", "a"),
        ("drain", "10.0.0.1"),
        ("bug-report", "/nowhere/at/all"),
    ],
)
def test_an_answer_without_its_fields_is_one_line(server, pilothouse, command) -> None:
    server.answer = said({"services": 3})
    outcome = pilothouse(*command, "--admin", server.admin)
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.count("\n") == 1
    assert "the answer is not understood" in outcome.err


def test_a_list_whose_next_page_is_always_another_one_is_refused(server, pilothouse, monkeypatch) -> None:
    monkeypatch.setattr(asking, "_MOST_PAGES", 5)
    server.answer = lambda connection: said({"items": [], "next": str(next(NUMBERS))})(connection)
    outcome = pilothouse("services", "--admin", server.admin)
    assert outcome.refused(f"{server.admin}: its list has no end"), outcome


def test_a_value_that_is_nested_deeply_is_one_line(server, pilothouse) -> None:
    depth = 900
    server.answer = raw(body(b'{"items":' + b"[" * depth + b"]" * depth + b"}"))
    outcome = pilothouse("services", "-o", "json", "--admin", server.admin)
    assert outcome.status in (0, 2)
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n"])
def test_an_answer_of_single_bytes_has_no_more_time_than_another(server, begin) -> None:
    def drip(connection: socket) -> None:
        connection.sendall(begin)
        while not server.ended.wait(0.05):
            connection.sendall(b"H")

    server.answer = drip
    with pytest.raises(asking.Unanswered, match="no answer within 0 s"):
        asking.told(HostPort.parse(server.admin), "/", {}, 0.5)


STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"


@pytest.mark.parametrize(
    "event",
    [
        b"event: proxy\ndata: no JSON\n\n",
        b"event: proxy\ndata: 3\n\n",
        b"event: proxy\ndata: " + b"[" * 200_000 + b"\n\n",
        b"event: proxy\ndata: {}\n\n",
        b"event: source\ndata: {}\n\n",
        b"event: nack\ndata: {}\n\n",
        b"event: hold\ndata: {}\n\n",
        b"id: \xff\nevent: reset\ndata: {}\n\n",
        b"\xff\xff\xff",
        b"data" * 9_000,
    ],
)
@pytest.mark.parametrize("about", [(), ("shop/cart",)])
def test_garbage_in_the_stream_of_events_ends_in_one_line_for_each_connection(
    server, pilothouse, monkeypatch, event, about
) -> None:
    def again(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(asking, "_LONGEST_LINE", 30_000 if event.startswith(b"data") else 1 << 20)
    monkeypatch.setattr(watch, "time", SimpleNamespace(sleep=again, strftime=time.strftime))
    server.answer = raw(STREAM + event)
    outcome = pilothouse("watch", *about, "--admin", server.admin)
    assert outcome.status in (0, 2), outcome
    watching, *mistakes = outcome.err.splitlines()
    assert watching.startswith("pilothouse: watching "), outcome
    assert len(mistakes) == (0 if outcome.out else 1), outcome


def test_top_shows_the_cursor_again_when_it_is_ended(server) -> None:
    terminal, other = pty.openpty()
    with subprocess.Popen([PROGRAM, "top", "--admin", "127.0.0.1:1"], stdout=other, stderr=other) as process:
        os.close(other)
        seen = b""
        while b"trying again" not in seen:
            seen += os.read(terminal, 1 << 16)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
    with suppress(OSError):
        while more := os.read(terminal, 1 << 16):
            seen += more
    os.close(terminal)
    assert seen.rstrip().endswith(b"\x1b[?25h")
