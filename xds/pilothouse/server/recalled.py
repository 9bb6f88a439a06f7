"""Keeps on the disk which versions were taken back, so that the next process does not serve them again.

Otherwise a restart would bring back what every client refuses, and forget the version that works.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog

from pilothouse.model.services import ServiceName
from pilothouse.serving.catalogue import Catalogue
from pilothouse.serving.versions import Refused
from pilothouse.structures.state import StateFolder, Texts
from pilothouse.structures.threads import on_a_thread

log = structlog.get_logger(__name__)

# How long a disk may take to answer, in seconds.
_PATIENCE_S = 5.0

T = TypeVar("T")


class Recalled:
    """The versions that the catalogue has taken back, each in a file of its own.

    Workers of one machine share the folder: what one of them takes back is not served by the next process.
    """

    def __init__(self, catalogue: Catalogue, folder: Path) -> None:
        self._catalogue, self._state = catalogue, StateFolder(folder)
        self._kept: dict[ServiceName, Refused] = {}
        self._stirred = asyncio.Event()
        self._stirred.set()  # what the first load has settled may be forgotten

    async def restore(self) -> None:
        """Tell the catalogue what earlier processes took back, before it loads anything.

        What cannot be read is logged, and tried again with the clients.
        """
        try:
            found, corrupt = await _asked(self._state.load)
        except (OSError, TimeoutError) as why:
            log.error("versions that were taken back are not known", reason=_reason(why))
            return
        for each in corrupt:
            log.error("kept state cannot be used", file=str(each.file), reason=each.reason)
        for key, texts in found.items():
            try:
                refused = msgspec.json.decode(b"".join(texts), type=Refused)
            except (msgspec.MsgspecError, ValueError) as why:
                log.error("kept state cannot be used", file=str(self._state.file(key)), reason=str(why))
            else:
                self._kept[refused.spec.name] = refused
                self._catalogue.remember(refused)

    def stir(self, names: Collection[ServiceName] = ()) -> None:
        """Services have changed, so what was taken back may have, too."""
        self._stirred.set()

    async def run(self) -> None:
        """Keep what is taken back for ever."""
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            now = dict(self._catalogue.refused)
            changes: dict[str, Texts | None] = {str(name): None for name in self._kept.keys() - now.keys()}
            for name, refused in now.items():
                if self._kept.get(name) != refused:
                    changes[str(name)] = (msgspec.json.encode(refused),)
            if changes and await self._saved(changes):
                self._kept = now

    async def _saved(self, changes: dict[str, Texts | None]) -> bool:
        try:
            await _asked(lambda: self._state.save(changes))
        except (OSError, TimeoutError) as why:
            log.error(
                "what was taken back cannot be kept", folder=str(self._state.folder), reason=_reason(why)
            )
            return False
        return True


async def recalling(catalogue: Catalogue, folder: Path | None) -> Recalled | None:
    """Who keeps what is taken back, in a folder. The catalogue knows what earlier processes took back."""
    if folder is None:
        return None
    recalled = Recalled(catalogue, folder)
    await recalled.restore()
    return recalled


async def _asked(work: Callable[[], T]) -> T:
    """What the disk answers. Raises OSError and TimeoutError."""
    return await asyncio.wait_for(on_a_thread(work, "recalled"), _PATIENCE_S)


def _reason(why: OSError) -> str:
    return why.strerror or str(why) or f"no answer within {_PATIENCE_S:g} s"
