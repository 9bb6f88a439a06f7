"""Several processes behind one port, where one core is not enough.

Each worker is a whole control plane with its own copy of the registry, as a replica on another machine
would be; they share nothing but the port, over which the kernel spreads new connections.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from pilothouse.config import ConfigError, HostPort

#: The exit status of a worker that can never start, so that starting it again would be of no use.
MISCONFIGURED = 2
_RESTART_S = 1.0
_STOP = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def reserved(address: HostPort) -> Iterator[HostPort]:
    """Hold a port that only the workers of this process are to share; a port of 0 becomes a free one.

    Raises ConfigError if somebody listens there: with SO_REUSEPORT alone two control planes could
    share a fleet without anybody having asked for it.
    """
    try:
        family, kind, _, _, place = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe, socket.socket(family, kind) as held:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
            place = probe.getsockname()
            probe.close()
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            held.bind(place)
            yield HostPort(address.host, place[1])
    except OSError as error:
        raise ConfigError("serve", f"cannot listen for xDS on {address}: {error.strerror}") from None


def run(count: int, worker: Callable[[int], int]) -> int:
    """Run `worker(index)` in `count` processes until SIGTERM or SIGINT; gives the exit status.

    A worker that dies is started again, and the clients of the others notice nothing. To be called
    before any thread runs: workers are forks. They end when this process does, however it does.
    """
    crew = _Crew(worker)
    handled = {number: signal.signal(number, crew.stop) for number in _STOP}
    try:
        for index in range(count):
            crew.start(index)
        return crew.tend()
    finally:
        for number, before in handled.items():
            signal.signal(number, before)


class _Crew:
    """The workers of this process."""

    def __init__(self, worker: Callable[[int], int]) -> None:
        self._worker = worker
        self._pids: dict[int, int] = {}  # and the index of each
        self._stopping = threading.Event()
        self._alive, self._ours = os.pipe()  # workers read one end; the other is closed with this process

    def start(self, index: int) -> None:
        # A signal between the fork and its record would miss the new worker.
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)
        pid = os.fork()
        if pid == 0:
            self._work(index)
        self._pids[pid] = index
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP)

    def stop(self, *_: object) -> None:
        self._stopping.set()
        for pid in self._pids:
            os.kill(pid, signal.SIGTERM)

    def tend(self) -> int:
        """Until all have ended; gives the exit status."""
        status = 0
        while self._pids:
            pid, ended = os.wait()
            index, code = self._pids.pop(pid), os.waitstatus_to_exitcode(ended)
            if code == MISCONFIGURED:
                self.stop()
            if not self._stopping.is_set():
                print(f"pilothouse: worker {index} ended with {code}, starting it again", file=sys.stderr)
                if not self._stopping.wait(_RESTART_S):
                    self.start(index)
            else:
                status = status or abs(code)
        return status

    def _work(self, index: int) -> NoReturn:
        code = 1
        try:
            os.close(self._ours)
            for number in _STOP:
                signal.signal(number, signal.SIG_DFL)
            threading.Thread(target=self._end_with_parent, daemon=True).start()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP)
            code = self._worker(index)
        finally:
            failure = sys.exc_info()
            if failure[0] is not None:
                sys.excepthook(*failure)  # which nobody else would call any more
            sys.stdout.flush()
            os._exit(code)

    def _end_with_parent(self) -> None:
        os.read(self._alive, 1)  # returns when the other end is closed, by whatever ended the parent
        os.kill(os.getpid(), signal.SIGTERM)
