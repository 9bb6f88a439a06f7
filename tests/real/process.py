"""A process of a test that can be started again, ended, killed and frozen, always by its id."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_TAIL_BYTES = 4_000


class Process:
    """A command with its log, to which every start of it appends."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        folder: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._command = [str(word) for word in command]
        self._folder = folder
        self._environment = os.environ | (environment or {})
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process, which must not be running."""
        assert self._running is None, f"{self.name} is running"
        with self.log.open("ab") as log:
            self._running = subprocess.Popen(
                self._command, stdout=log, stderr=log, cwd=self._folder, env=self._environment
            )

    @property
    def pid(self) -> int:
        assert self._running is not None, f"{self.name} is not running"
        return self._running.pid

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to end, and kill it if it does not within 10 s. Nothing happens if it is not running."""
        if self._running is not None:
            self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """Stop it as a debugger would: its connections stay open, and nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
        os.kill(self.pid, signal.SIGCONT)

    def wait(self) -> int:
        """The exit status, as soon as it has ended by itself. It can be started again."""
        assert self._running is not None, f"{self.name} is not running"
        status = self._running.wait()
        self._running = None
        return status

    def require(self) -> None:
        """Fail with its last words if it has ended by itself."""
        assert self._running is not None, f"{self.name} was not started"
        status = self._running.poll()
        assert status is None, f"{self.name} has ended with {status}:\n{self.last_words()}"

    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace") if self.log.exists() else ""

    def _end(self, how: signal.Signals) -> None:
        assert self._running is not None, f"{self.name} is not running"
        self._running.send_signal(how)
        # What is frozen does not see SIGTERM before it goes on.
        self._running.send_signal(signal.SIGCONT)
        try:
            self._running.wait(10)
        except subprocess.TimeoutExpired:
            self._running.kill()
            self._running.wait()
        self._running = None


def wait_until(check: Callable[[], object], what: str, within_s: float = 60.0) -> None:
    """Return when the check is true. Raises TimeoutError.

    For what has to be there before a test can begin. A test itself waits with `eventually`.
    """
    deadline = time.monotonic() + within_s
    while not check():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {within_s} s: {what}")
        time.sleep(0.05)
