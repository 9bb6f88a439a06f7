"""The texts of manifests that the next process needs. They are read at the start and written on a thread."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import structlog

from pilothouse.sources import HOLD_S, Fault, Standing
from pilothouse.sources.files.faults import of_path
from pilothouse.sources.files.tree import is_within, shown
from pilothouse.structures.state import StateFolder, Texts
from pilothouse.structures.threads import on_a_thread

_log = structlog.get_logger(__name__)

_CONSEQUENCE = "after a restart the last good versions are not known"


class Kept:
    """The last good texts by file, in a state folder. A failure to keep something is a fault and stops
    nothing.

    If the loss of files is only implied, their texts are kept for another `hold_s` seconds, because the guard
    may doubt the loss for so long.
    """

    def __init__(self, state: StateFolder, hold_s: float = HOLD_S) -> None:
        self._state, self._hold_s = state, hold_s
        self._fading: dict[str, asyncio.TimerHandle] = {}
        self._corrupt: dict[Path, str] = {}
        self._failure = ""
        self._known: dict[str, Texts] = {}  # so that equal texts are not written again
        self._held: set[str] = set()  # the files that have kept texts
        self._pending: dict[str, Texts | None] = {}
        self._saving: asyncio.Task[None] | None = None

    @property
    def faults(self) -> Sequence[Fault]:
        corrupt = (
            of_path(str(file), f"kept state: {reason}", Standing.ABSENT)
            for file, reason in sorted(self._corrupt.items())
        )
        if not self._failure:
            return tuple(corrupt)
        why = f"the state folder cannot be written ({self._failure}): {_CONSEQUENCE}"
        return (*corrupt, of_path(str(self._state.folder), why, Standing.STATED))

    async def load(self, roots: Sequence[Path]) -> dict[str, Texts]:
        """The kept texts of the files below these roots, by path, the oldest text first."""
        found, corrupt = await on_a_thread(self._state.load, "state")
        self._corrupt = {one.file: one.reason for one in corrupt}
        for one in corrupt:
            _log.error("kept state cannot be used", file=str(one.file), reason=one.reason)
        kept: dict[str, Texts] = {}
        self._held = set(found)
        for key, texts in found.items():
            path = _path(key, roots)
            if path is not None:
                self._known[key] = kept[path] = texts
        return kept

    def save(self, changes: Mapping[str, Texts | None]) -> None:
        """Keep these texts from now on. Returns at once; a thread writes them."""
        for path, texts in changes.items():
            key = os.path.abspath(path)
            if texts is None and key not in self._held:
                continue
            (self._held.discard if texts is None else self._held.add)(key)
            if key in self._fading:
                self._fading.pop(key).cancel()
            if texts is None or self._known.pop(key, None) != texts:
                self._pending[key] = texts
        if self._pending and (self._saving is None or self._saving.done()):
            self._saving = asyncio.create_task(self._save())

    def forget_later(self, paths: Iterable[str]) -> None:
        """Forget the texts of these files later, unless they are saved again before."""
        loop = asyncio.get_running_loop()
        for path in paths:
            forget = partial(self.save, {path: None})
            self._fading[os.path.abspath(path)] = loop.call_later(self._hold_s, forget)

    async def _save(self) -> None:
        while self._pending:
            changes, self._pending = self._pending, {}
            try:
                await on_a_thread(partial(self._state.save, changes), "state")
            except OSError as error:
                self._pending = {**changes, **self._pending}  # tried again with the next change
                self._failed(error.strerror or str(error))
                return
            self._succeeded()
            for key in changes:
                self._corrupt.pop(self._state.file(key), None)

    def _succeeded(self) -> None:
        if self._failure:
            self._failure = ""
            _log.info("the state folder is written again", folder=str(self._state.folder))

    def _failed(self, reason: str) -> None:
        if reason != self._failure:
            self._failure = reason
            _log.error("the state folder cannot be written", folder=str(self._state.folder), reason=reason)


def _path(key: str, roots: Sequence[Path]) -> str | None:
    """The path of a file as a look finds it, if it is below one of the roots."""
    for root in roots:
        place = os.path.abspath(shown(str(root)))
        if is_within(key, place):
            return shown(str(root)) + key[len(place) :]
    return None
