"""Runs several processes on one port, if one core is not enough.

Each worker is a whole control plane with its own copy of the registry, like a replica on another machine.
Workers share nothing except the port, and the kernel distributes new connections among them.
"""

from __future__ import annotations

import asyncio
import math
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import NoReturn

from pilothouse.cli.signals import HEEDED, PASSED_ON, STOPPING, until_the_loop_heeds_them
from pilothouse.config.settings import ConfigError
from pilothouse.structures.hostport import HostPort

#: The exit status of a worker that can never start, so that restarting it would not help.
MISCONFIGURED = 2
_RESTART_S = (1.0, 30.0)  # the first and the longest pause before a worker is started again
_ROUND_S = 1.0
_BEAT_S = 0.5
# What a worker writes at each beat, and how many rounds without a beat its parent tolerates. A worker that is
# loading holds no part of the port and may take long. Before its first beat it imports, and its rounds are
# not counted.
_LOADING, _SERVING = b"l", b"s"
_PATIENCE = {_LOADING: 60, _SERVING: 10}
# How long a worker may take to stop (container engines kill after 10 s), and then to be gone after a kill.
_STOP_S, _KILL_S = 8.0, 1.0


@contextmanager
def reserved(address: HostPort) -> Iterator[HostPort]:
    """Reserve a port for the workers of this process. Port 0 becomes a free one.

    Raises ConfigError if another process listens there. With SO_REUSEPORT alone, two control planes could
    share a fleet without anybody's wish.
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


def run(count: int, worker: Callable[[int, Heart], int], served: Callable[[], None] = lambda: None) -> int:
    """Run `worker(index, heart)` in `count` processes until SIGTERM or SIGINT. Returns the exit status.

    `served` is called once, when the first worker serves. A worker that dies is restarted, and clients of the
    others notice nothing. A worker whose heart stops is killed, because it would keep its part of the port.
    Call this before any thread runs, because workers are forks. They end when this process ends, for whatever
    reason.
    """
    crew = _Crew(count, worker, served)
    handled = {number: signal.signal(number, crew.stop) for number in STOPPING}
    handled |= {number: signal.signal(number, crew.pass_on) for number in PASSED_ON}
    try:
        return crew.tend()
    finally:
        for number, before in handled.items():
            signal.signal(number, before)


class Heart:
    """The signs of life that a worker gives its parent, from its event loop.

    If a heart has never beaten, the parent does not miss it.
    """

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._says = _LOADING
        os.set_blocking(pipe, False)

    async def beating(self, work: Coroutine[None, None, None]) -> None:
        """Run the work of the worker, and beat meanwhile."""
        beats = asyncio.create_task(self._beat_on())
        try:
            await work
        finally:
            beats.cancel()

    def serves(self, *_: object) -> None:
        """From now on the worker holds a part of the port and must answer."""
        self._says = _SERVING
        self._beat()

    async def _beat_on(self) -> None:
        while True:
            self._beat()
            await asyncio.sleep(_BEAT_S)

    def _beat(self) -> None:
        with suppress(BlockingIOError, BrokenPipeError):  # a parent that is stopped reads nothing
            os.write(self._pipe, self._says)


@dataclass(slots=True)
class _Worker:
    """A worker as its parent sees it. `pulse` is the pipe from its heart, `last` the last beat."""

    index: int
    pid: int
    pulse: int
    started_s: float
    last: bytes = b""
    silent: int = 0
    killed: bool = False

    def listen(self) -> bool:
        """Read its beats. False if the worker has ended."""
        said = os.read(self.pulse, 4096)
        self.last, self.silent = said[-1:] or self.last, 0
        return bool(said)

    @property
    def hangs(self) -> bool:
        return self.last in _PATIENCE and self.silent > _PATIENCE[self.last]

    def kill(self, why: str) -> None:
        if not self.killed:
            self.killed = True
            _say("worker is killed", worker=self.index, reason=why)
            self.send(signal.SIGKILL)

    def send(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)


class _Crew:
    """The workers of this process."""

    def __init__(self, count: int, worker: Callable[[int, Heart], int], served: Callable[[], None]) -> None:
        self._worker = worker
        self._tell_served = served
        self._workers: dict[int, _Worker] = {}  # by pulse
        # When to start each worker that does not run, and the pause before its next start, by index.
        self._due = dict.fromkeys(range(count), 0.0)
        self._pauses = dict.fromkeys(range(count), _RESTART_S[0])
        self._served: set[int] = set()
        self._stop_by = math.inf
        self._round_ends = 0.0
        self._status = 0
        self._alive, self._ours = (
            os.pipe()
        )  # workers read one end; the other is closed when this process ends

    def stop(self, *_: object) -> None:
        self._stop_by = min(self._stop_by, time.monotonic() + _STOP_S)
        self._due.clear()
        self.pass_on(signal.SIGTERM)

    def pass_on(self, number: int, *_: object) -> None:
        for worker in list(self._workers.values()):
            worker.send(number)

    def tend(self) -> int:
        """Run until all workers have ended, or cannot even be killed. Returns the exit status."""
        while (self._due or self._workers) and time.monotonic() < self._stop_by + _KILL_S:
            self._start_those_due()
            self._listen()
            self._kill_what_hangs()
        return self._status if not self._workers else 1

    def _start_those_due(self) -> None:
        now = time.monotonic()
        for index in [index for index, at in self._due.items() if at <= now]:
            self._due.pop(index, None)
            self._start(index)

    def _start(self, index: int) -> None:
        # Between the fork and its record, a signal would miss the new worker.
        signal.pthread_sigmask(signal.SIG_BLOCK, HEEDED)
        pulse, heart = os.pipe()
        pid = os.fork()
        if pid == 0:
            self._work(index, Heart(heart))
        os.close(heart)
        worker = self._workers[pulse] = _Worker(index, pid, pulse, time.monotonic())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEEDED)
        if self._stopping:
            worker.send(signal.SIGTERM)

    @property
    def _stopping(self) -> bool:
        return self._stop_by < math.inf

    def _listen(self) -> None:
        """Wait for beats, at most for a round."""
        ready, _, _ = select.select(list(self._workers), [], [], _ROUND_S)
        for worker in [self._workers[pulse] for pulse in ready]:
            if not worker.listen():
                self._bury(worker)
            elif worker.last == _SERVING:
                self._note_served(worker.index)

    def _note_served(self, index: int) -> None:
        if not self._served:
            self._tell_served()
        self._served.add(index)

    def _kill_what_hangs(self) -> None:
        now = time.monotonic()
        if now >= self._round_ends:
            # Rounds, not seconds: if this process gets no processor time, its workers may get none either.
            self._round_ends = now + _ROUND_S
            for worker in self._workers.values():
                worker.silent += 1
        for worker in self._workers.values():
            if worker.hangs:
                worker.kill(f"has not answered for {worker.silent - 1} s")
            elif now >= self._stop_by:
                worker.kill("does not stop")

    def _bury(self, worker: _Worker) -> None:
        del self._workers[worker.pulse]
        os.close(worker.pulse)
        code = os.waitstatus_to_exitcode(os.waitpid(worker.pid, 0)[1])
        if code == MISCONFIGURED and worker.index not in self._served:
            self.stop()
        if self._stopping:
            self._status = self._status or max(code, 0)
        else:
            self._start_again(worker, code)

    def _start_again(self, worker: _Worker, code: int) -> None:
        first, longest = _RESTART_S
        now = time.monotonic()
        pause = self._pauses[worker.index] if now - worker.started_s < longest else first
        self._pauses[worker.index] = min(2 * pause, longest)
        self._due[worker.index] = now + pause
        _say("worker has ended and is started again", worker=worker.index, status=code, in_s=round(pause, 1))

    def _work(self, index: int, heart: Heart) -> NoReturn:
        code = 1
        try:
            os.close(self._ours)
            until_the_loop_heeds_them()
            threading.Thread(target=self._end_with_parent, daemon=True).start()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HEEDED)
            code = self._worker(index, heart)
        finally:
            failure = sys.exc_info()
            if failure[0] is not None:
                sys.excepthook(*failure)  # nothing else would call it any more
            sys.stdout.flush()
            os._exit(code)

    def _end_with_parent(self) -> None:
        os.read(self._alive, 1)  # returns when the other end is closed, whatever has ended the parent
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_STOP_S)
        os._exit(1)


def _say(event: str, **fields: object) -> None:
    # Not at the top: the import takes a tenth of the time of most commands, and they do not need it.
    import structlog

    structlog.get_logger(__name__).error(event, **fields)
