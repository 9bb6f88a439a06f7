"""A command that waits long for its answer: how long, and what a person is told meanwhile."""

from __future__ import annotations

import io
import socket
import sys
import threading

import pytest

from pilothouse.cli import what_if
from pilothouse.cli.asking import Unanswered, told
from pilothouse.structures.hostport import HostPort


class Stderr(io.StringIO):
    """Where a person reads, or a program."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal, self.said = terminal, threading.Event()

    def isatty(self) -> bool:
        return self._terminal

    def write(self, text: str) -> int:
        count = super().write(text)
        if text.endswith("\n"):
            self.said.set()
        return count


def test_a_person_at_a_terminal_is_told_that_it_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = Stderr(terminal=True)
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setattr(what_if, "_PATIENCE_S", 0.01)
    with what_if._patience():
        assert stderr.said.wait(30)
    assert stderr.getvalue() == "working; this may take a while\n"


def test_a_program_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = list[float]()

    class Timer(threading.Timer):
        def start(self) -> None:
            begun.append(self.interval)

    monkeypatch.setattr(sys, "stderr", Stderr(terminal=False))
    monkeypatch.setattr(what_if, "Timer", Timer)
    with what_if._patience():
        pass
    assert begun == []


def test_an_answer_may_take_as_long_as_the_command_says() -> None:
    silent, late = socket.create_server(("127.0.0.1", 0)), "no answer within 1 s"
    with silent, pytest.raises(Unanswered, match=late):
        told(HostPort(*silent.getsockname()), "/api/v1/what-if", {}, 0.6)
