"""Keeps the drains: in force at the registry until each ends, and on disk for the next process.

Workers of one machine share the file: each looks at it every few seconds, so an order that one of them takes
is in force at all.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeAlias

import msgspec
import structlog

from pilothouse.registry.drains import Drain, in_force
from pilothouse.registry.merged import Registry
from pilothouse.sources import Cause
from pilothouse.structures.state import StateFolder
from pilothouse.structures.threads import on_a_thread
from pilothouse.structures.turns import in_turns

log = structlog.get_logger(__name__)

Edit: TypeAlias = Callable[[Sequence[Drain]], list[Drain]]

_KEY = "drains"
#: How often to look at what other workers have ordered, in seconds.
_LOOK_S = 1.0
_LONGEST_WAIT_S = 30.0  # the clock of the machine may be set
#: How long a disk may take to answer.
_PATIENCE_S = 5.0


class Kept:
    """The drains on disk. Methods block, and raise OSError."""

    def __init__(self, folder: Path) -> None:
        self._state = StateFolder(folder)

    def stamp(self) -> tuple[int, int] | None:
        """Differs if the file is another one. None without a file."""
        try:
            found = self._state.file(_KEY).stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_ino

    def read(self) -> list[Drain]:
        """What is kept; nothing if it cannot be read, which is logged."""
        found, corrupt = self._state.load()
        for each in corrupt:
            log.error("kept state cannot be used", file=str(each.file), reason=each.reason)
        try:
            return msgspec.json.decode(b"".join(found.get(_KEY, ())) or b"[]", type=list[Drain])
        except msgspec.MsgspecError as error:
            log.error("kept state cannot be used", file=str(self._state.file(_KEY)), reason=str(error))
            return []

    def edit(self, edit: Edit, decided: threading.Lock) -> list[Drain]:
        """Change what is kept, while no other process does, and give what is kept then.

        `decided` is taken by whoever is first: by this when the change is kept, or by the caller when it
        gives up. Then nothing is changed: what is written in that moment is written back.
        """
        with self._state.alone():
            before = self.read()
            after = edit(before)
            if not decided.locked():
                self._write(after)
                if not decided.acquire(blocking=False):
                    self._write(before)
            return after

    def _write(self, drains: list[Drain]) -> None:
        self._state.save({_KEY: (msgspec.json.encode(drains),)})


class Keeper:
    """The drains of this process. Without a folder they end with the process."""

    def __init__(self, registry: Registry, kept: Kept | None, shared: bool = False) -> None:
        """`shared`: other workers change what is kept, too."""
        self._registry, self._kept = registry, kept
        self._follows = kept is not None and shared
        self._changing = asyncio.Lock()
        self._woken = asyncio.Event()
        self._stamp: tuple[int, int] | None = None

    @property
    def lasting(self) -> bool:
        """Whether drains survive the process."""
        return self._kept is not None

    async def begin(self) -> None:
        """Put into force what an earlier process kept. To be awaited before sources report."""
        if self._kept is None:
            return
        try:
            async with asyncio.timeout(_PATIENCE_S):
                kept = await on_a_thread(self._kept.read, "drains")
        except (OSError, TimeoutError) as error:
            log.error("kept drains cannot be read", reason=getattr(error, "strerror", None) or "no answer")
        else:
            await self._enforce(kept, Cause("drained in an earlier process"))

    async def change(self, edit: Edit, cause: Cause) -> None:
        """Change the drains, on disk and in force.

        Raises OSError, which a TimeoutError is, if they cannot be kept. They are in force as before then.
        """

        def edited(drains: Sequence[Drain]) -> list[Drain]:
            return edit(in_force(drains, time.time()))

        async with self._changing:
            if self._kept is None:
                after = edited([*self._registry.drains])
            else:
                after = await _in_time(self._kept, edited)
            await self._enforce(after, cause)

    async def run(self) -> None:
        """End each drain when its time is over, and follow what other workers order."""
        while True:
            self._woken.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._wait_s()):
                    await self._woken.wait()
            async with self._changing:
                read = await self._news() if self._follows else None
                if read is not None:
                    await self._enforce(read, Cause("ordered at another worker"))
                now = time.time()
                ended = [str(each.target) for each in self._registry.drains if each.until <= now]
                if ended:
                    cause = Cause(f"the end of the drain of {', '.join(ended)}")
                    await self._enforce([*self._registry.drains], cause)

    async def _news(self) -> list[Drain] | None:
        """What is kept, if another worker has changed it."""
        assert self._kept is not None
        try:
            stamp = await on_a_thread(self._kept.stamp, "drains")
            if stamp == self._stamp:
                return None
            found = await on_a_thread(self._kept.read, "drains")
        except OSError:
            return None  # whoever orders something is told
        self._stamp = stamp
        return found

    def _wait_s(self) -> float:
        ends = min((each.until for each in self._registry.drains), default=float("inf"))
        longest = _LOOK_S if self._follows else _LONGEST_WAIT_S
        return min(longest, max(0.0, ends - time.time()))

    async def _enforce(self, drains: Sequence[Drain], cause: Cause) -> None:
        before = {each.target: each for each in self._registry.drains}
        after = {each.target: each for each in in_force(drains, time.time())}
        if before == after:
            return
        new = [target for target, each in after.items() if before.get(target) != each]
        names = self._registry.drains.replace(after.values())
        names |= set(await in_turns(self._registry.having(new)))
        self._registry.redrained(names, cause)
        self._woken.set()


async def _in_time(kept: Kept, edit: Edit) -> list[Drain]:
    """What is kept after the edit. Raises OSError, and TimeoutError if the disk does not answer."""
    decided = threading.Lock()
    editing = on_a_thread(partial(kept.edit, edit, decided), "drains")
    done, _ = await asyncio.wait([editing], timeout=_PATIENCE_S)
    if not done and decided.acquire(blocking=False):
        raise TimeoutError(f"no answer from the disk within {_PATIENCE_S:g} s")
    return await editing
