"""Another program of the tests, such as a client that misbehaves."""

from __future__ import annotations

import sys
from pathlib import Path

from pilothouse.demo.processes import Processes

_ROOT = Path(__file__).resolve().parent.parent.parent


class Program:
    """A process of its own, that runs until it is over, or ended."""

    def __init__(self, processes: Processes, name: str, *words: object) -> None:
        self._processes, self._name = processes, name
        command = [sys.executable, "-P", "-m", name, *map(str, words)]
        processes.start(name, ["env", f"PYTHONPATH={_ROOT}", *command])

    @property
    def over(self) -> bool:
        return not Path(f"/proc/{self._processes.pid(self._name)}/exe").exists()

    @property
    def said(self) -> str:
        """What it has written so far."""
        return (self._processes.folder / f"{self._name}.log").read_text(errors="replace")

    def end(self) -> str:
        """What it said last."""
        self._processes.kill(self._name)
        return self._processes.last_words(self._name)
