"""The objects that the next process has to know until the API server answers: on disk, by namespace."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence, Set
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import structlog

from pilothouse.kubernetes.objects.types import (
    EndpointSlice,
    Grant,
    Namespace,
    Node,
    Object,
    Pod,
    RouteObject,
    Service,
)
from pilothouse.model.routing import RouteKind
from pilothouse.sources import HOLD_S, Fault, Standing
from pilothouse.sources.kubernetes.resources import Scope
from pilothouse.structures.state import StateFolder
from pilothouse.structures.threads import on_a_thread
from pilothouse.structures.turns import Steps, in_turns

_log = structlog.get_logger(__name__)

# What changes all the time is written so often.
_PAUSE_S = 15.0
# Objects that are encoded in one step.
_MOST = 200
_CONSEQUENCE = "after a restart nothing is known until the API server answers"

_ROUTES = msgspec.json.Decoder(list[RouteObject])
_READ: dict[str, msgspec.json.Decoder[Any]] = {
    "Service": msgspec.json.Decoder(list[Service]),
    "ServiceImport": msgspec.json.Decoder(list[Service]),
    "EndpointSlice": msgspec.json.Decoder(list[EndpointSlice]),
    "Namespace": msgspec.json.Decoder(list[Namespace]),
    "Node": msgspec.json.Decoder(list[Node]),
    "Pod": msgspec.json.Decoder(list[Pod]),
    **{kind.value: _ROUTES for kind in RouteKind},
    "ReferenceGrant": msgspec.json.Decoder(list[Grant]),
}

#: The objects of a kind in a namespace, as they are in force.
Objects = Callable[[Scope], Iterable[Object]]


class Kept:
    """What is in force, in a state folder. What cannot be kept is a fault and stops nothing.

    What a list lacks is kept for `hold_s` seconds more, as long as the guard may doubt that.
    """

    def __init__(self, folder: StateFolder, hold_s: float = HOLD_S, pause_s: float = _PAUSE_S) -> None:
        self._folder, self._hold_s, self._pause_s = folder, hold_s, pause_s
        # From when on a scope may be written, in seconds of the monotonic clock.
        self._due: dict[Scope, float] = {}
        self._corrupt: dict[Path, str] = {}
        self._failure = ""

    @property
    def faults(self) -> Sequence[Fault]:
        corrupt = (
            Fault(str(file), "", f"kept state: {reason}", Standing.ABSENT)
            for file, reason in sorted(self._corrupt.items())
        )
        if not self._failure:
            return tuple(corrupt)
        why = f"the state folder cannot be written ({self._failure}): {_CONSEQUENCE}"
        return (*corrupt, Fault(str(self._folder.folder), "", why, Standing.STATED))

    async def load(self) -> list[Object]:
        """All that was kept and can still be read."""
        found, corrupt = await on_a_thread(self._folder.load, "state")
        self._corrupt = {one.file: one.reason for one in corrupt}
        objects = await in_turns(self._decoded(found))
        for file, reason in self._corrupt.items():
            _log.error("kept state cannot be used", file=str(file), reason=reason)
        return objects

    def _decoded(self, found: dict[str, tuple[bytes, ...]]) -> Steps[list[Object]]:
        objects: list[Object] = []
        for key, texts in found.items():
            kind, _, _ = key.partition("/")
            try:
                for text in texts:
                    objects += _READ[kind].decode(text)
                    yield
            except (msgspec.MsgspecError, UnicodeError, LookupError) as error:
                self._corrupt[self._folder.file(key)] = f"holds nothing that is known here: {error}"
        return objects

    def changed(self, scopes: Iterable[Scope], implied: Set[Scope] = frozenset()) -> None:
        """Note where something has changed; in some, it is only `implied` that something is gone."""
        now = time.monotonic()
        for scope in scopes:
            due = self._due.get(scope, now)
            self._due[scope] = max(due, now + self._hold_s) if scope in implied else due

    async def keep(self, objects: Objects) -> None:
        """Write what has changed, now and then, until cancelled."""
        while True:
            await asyncio.sleep(self._pause_s)
            now = time.monotonic()
            for scope in [scope for scope, due in self._due.items() if due <= now]:
                del self._due[scope]
                texts = await in_turns(_encoded(objects(scope)))
                if not await self._write(scope, texts):
                    self._due[scope] = now  # tried again
                    break

    async def _write(self, scope: Scope, texts: Sequence[bytes]) -> bool:
        key = f"{scope.kind}/{scope.namespace}"
        try:
            await on_a_thread(partial(self._folder.save, {key: texts or None}), "state")
        except OSError as error:
            self._failed(error.strerror or str(error))
            return False
        self._corrupt.pop(self._folder.file(key), None)
        if self._failure:
            self._failure = ""
            _log.info("the state folder is written again", folder=str(self._folder.folder))
        return True

    def _failed(self, reason: str) -> None:
        if reason != self._failure:
            self._failure = reason
            _log.error("the state folder cannot be written", folder=str(self._folder.folder), reason=reason)


def _encoded(objects: Iterable[Object]) -> Steps[list[bytes]]:
    texts: list[bytes] = []
    waiting = iter(sorted(objects, key=lambda each: each.key))
    while some := [*islice(waiting, _MOST)]:
        texts.append(msgspec.json.encode(some))
        yield
    return texts
