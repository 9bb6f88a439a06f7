"""The command that asks every worker whether it is ready."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from ..ports import free_port, free_ports

READY = (200, b'{"ready": true, "reasons": []}')
WAITING = (503, b'{"ready": false, "reasons": ["source files: has\\nnot reported yet", "draining"]}')
Answer = tuple[int, bytes]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ADMIN", "WORKERS", "CONFIG", "MANIFESTS"):
        monkeypatch.delenv(f"PILOTHOUSE_{name}", raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")


@pytest.fixture
def answering() -> Iterator[Callable[..., int]]:
    """Admin ports, one after the other, that answer so; gives the first. None is one that never answers."""
    with ExitStack() as stack:

        def start(*answers: Answer | None) -> int:
            first = free_ports(len(answers))
            for index, answer in enumerate(answers):
                if answer:
                    _answer(stack, first + index, answer)
                else:
                    stack.enter_context(socket.create_server(("127.0.0.1", first + index)))
            return first

        yield start


def _answer(stack: ExitStack, port: int, answer: Answer) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = answer if self.path == "/readyz" else (404, b"")
            self.send_response(found[0])
            self.send_header("content-length", str(len(found[1])))
            self.end_headers()
            self.wfile.write(found[1])

        def log_message(self, format: str, *args: object) -> None:
            """Not to stderr."""

    server = stack.enter_context(HTTPServer(("127.0.0.1", port), Handler))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stack.callback(server.shutdown)


def test_it_is_well_if_the_one_process_is_ready(pilothouse, answering) -> None:
    outcome = pilothouse("health", "--admin", f"127.0.0.1:{answering(READY)}")
    assert (outcome.status, outcome.out, outcome.err) == (0, "", "")


def test_every_worker_is_asked_and_each_that_is_not_ready_is_a_line(pilothouse, answering) -> None:
    port = answering(READY, WAITING, None, READY)
    outcome = pilothouse("health", "--admin", f"127.0.0.1:{port}", "--workers", "4")
    assert outcome.status == 1
    assert outcome.out.splitlines() == [
        f"127.0.0.1:{port + 1} is not ready: source files: has not reported yet; draining",
        f"127.0.0.1:{port + 2} is not ready: no answer within 2 s",
    ]


def test_where_nobody_listens_it_is_not_well(pilothouse) -> None:
    port = free_port()
    outcome = pilothouse("health", "--admin", f"127.0.0.1:{port}")
    assert (outcome.status, outcome.out) == (1, f"127.0.0.1:{port} is not ready: connection refused\n")


@pytest.mark.parametrize("answer", [(503, b"\xff<html>\n"), (200, b"")])
def test_what_answers_something_else_is_judged_by_its_status(pilothouse, answering, answer) -> None:
    outcome = pilothouse("health", "--admin", f"127.0.0.1:{answering(answer)}")
    assert outcome.status == (0 if answer[0] == 200 else 1)
    assert len(outcome.out.splitlines()) == outcome.status


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1", "localhost"])
def test_a_process_that_listens_everywhere_is_asked_at_loopback(pilothouse, answering, host) -> None:
    assert pilothouse("health", "--admin", f"{host}:{answering(READY)}").status == 0


def test_it_goes_by_the_settings_of_serve(
    pilothouse, answering, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    port = answering(READY, WAITING)
    monkeypatch.setenv("PILOTHOUSE_ADMIN", f"0.0.0.0:{port}")
    monkeypatch.setenv("PILOTHOUSE_MANIFESTS", "/nowhere")
    assert pilothouse("health").status == 0
    config = tmp_path / "pilothouse.yaml"
    config.write_text("workers: 2\nmanifests: /nowhere\ntls_cert: /nowhere\n")
    monkeypatch.setenv("PILOTHOUSE_CONFIG", str(config))
    assert pilothouse("health").status == 1
    monkeypatch.setenv("PILOTHOUSE_WORKERS", "1")
    assert pilothouse("health").status == 0


@pytest.mark.parametrize(
    ("flags", "mistake"),
    [
        (("--admin", "127.0.0.1:0"), "--admin: port 0 is any free one; say which one it became"),
        (("--admin", ":1"), "--admin: ':1' is not HOST:PORT, such as 127.0.0.1:18000 or [::1]:18000"),
        (("--workers", "0"), "--workers: must be 1 or more, not 0"),
        (
            ("--admin", "a:65535", "--workers", "2"),
            "--workers and --admin: there are not 2 ports from a:65535 upwards, one for each",
        ),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(pilothouse, flags, mistake) -> None:
    assert pilothouse("health", *flags).refused(mistake)
