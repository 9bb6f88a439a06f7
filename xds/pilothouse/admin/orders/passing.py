"""Passes orders on to the other workers of this machine: holds and streams belong to one worker each.

An order is a file in a folder of the state folder, for a short while. Each worker looks there every second,
and carries out what is new to it and not its own. Clocks can jump, so nobody asks when an order was given.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Callable
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
        self._folder = folder
        self._numbers = itertools.count()
        # By the names of their files: those from here, and those that were carried out or came before.
        self._own, self._done = set[str](), set[str]()
        with suppress(OSError):
            self._done.update(self._names())

    async def pass_on(self, order: Passed) -> None:
        """Tell the other workers. Raises OSError, which a TimeoutError is."""
        name = f"{time.time_ns()}-{os.getpid()}-{next(self._numbers)}.json"
        self._own.add(name)
        async with asyncio.timeout(_PATIENCE_S):
            await on_a_thread(partial(self._write, name, msgspec.json.encode(order)), "orders")

    async def run(self, carry_out: Callable[[Passed], None]) -> None:
        """Carry out what the other workers pass on, for ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            with suppress(OSError):  # whoever orders something is told
                for order in await on_a_thread(self._read, "orders"):
                    carry_out(order)

    def _write(self, name: str, body: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        old = time.time_ns() - int(_LASTS_S * 1e9)
        for each in self._names():
            if _when(each) < old:
                with suppress(OSError):
                    (self._folder / each).unlink()
                self._own.discard(each)
        beside = self._folder / f".{name}"
        beside.write_bytes(body)
        beside.replace(self._folder / name)

    def _read(self) -> list[Passed]:
        """What is new. A file that is no order, or cannot be read, is none."""
        names = sorted(self._names())
        found = list[Passed]()
        for name in names:
            if name not in self._done and name not in self._own:
                with suppress(msgspec.MsgspecError, RecursionError, OSError):
                    found.append(msgspec.json.decode((self._folder / name).read_bytes(), type=Passed))
        self._done.intersection_update(names)
        self._done.update(names)
        return found

    def _names(self) -> list[str]:
        if not self._folder.is_dir():
            return []
        return [each.name for each in self._folder.iterdir() if each.name[:1].isdigit()]


def _when(name: str) -> int:
    """When an order was passed on, in Unix nanoseconds."""
    number = name.partition("-")[0]
    return int(number) if number.isascii() and number.isdigit() and len(number) < 20 else 0
