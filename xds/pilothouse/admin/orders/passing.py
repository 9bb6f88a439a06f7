"""Passes orders on to the other workers of this machine: holds and streams belong to one worker each.

An order is a file in a folder of the state folder, for a short while. Each worker looks there every second,
and carries out what is newer than itself and not its own.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec

from pilothouse.structures.threads import on_a_thread

#: How often to look, in seconds.
LOOK_S = 1.0
_LASTS_S = 30.0
#: How long a disk may take to answer.
_PATIENCE_S = 5.0


class Passed(msgspec.Struct, frozen=True):
    """An order that is about a source or a proxy: which, who gave it, and why."""

    order: Literal["release", "reject", "disconnect"]
    about: str
    who: str
    reason: str


class Passing:
    """The orders of all workers."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._begun_ns = folder, time.time_ns()
        self._numbers = itertools.count()
        # Those that were carried out here, by the names of their files.
        self._done: set[str] = set()

    async def pass_on(self, order: Passed) -> None:
        """Tell the other workers. Raises OSError, which a TimeoutError is."""
        name = f"{time.time_ns()}-{os.getpid()}-{next(self._numbers)}.json"
        self._done.add(name)
        async with asyncio.timeout(_PATIENCE_S):
            await on_a_thread(partial(self._write, name, msgspec.json.encode(order)), "orders")

    async def run(self, carry_out: Callable[[Passed], None]) -> None:
        """Carry out what the other workers pass on, for ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            with suppress(OSError):  # whoever orders something is told
                for order in await on_a_thread(lambda: [*self._read()], "orders"):
                    carry_out(order)

    def _write(self, name: str, body: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        old = time.time_ns() - int(_LASTS_S * 1e9)
        for each in self._names():
            if _when(each) < old:
                (self._folder / each).unlink(missing_ok=True)
                self._done.discard(each)
        beside = self._folder / f".{name}"
        beside.write_bytes(body)
        beside.replace(self._folder / name)

    def _read(self) -> Iterator[Passed]:
        """What is new. A file that is no order is none."""
        since = max(self._begun_ns, time.time_ns() - int(_LASTS_S * 1e9))
        for name in sorted(self._names()):
            if name in self._done or _when(name) < since:
                continue
            self._done.add(name)
            with suppress(msgspec.MsgspecError, FileNotFoundError):
                yield msgspec.json.decode((self._folder / name).read_bytes(), type=Passed)

    def _names(self) -> list[str]:
        if not self._folder.is_dir():
            return []
        return [each.name for each in self._folder.iterdir() if each.name[:1].isdigit()]


def _when(name: str) -> int:
    """When an order was passed on, in Unix nanoseconds."""
    number = name.partition("-")[0]
    return int(number) if number.isascii() and number.isdigit() and len(number) < 20 else 0
