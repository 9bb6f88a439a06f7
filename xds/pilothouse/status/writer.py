"""Writes the status of routes, in turns of its own. Nothing of it holds up a push.

It hears of services and routes that have changed, and looks at what these concern. While another replica
writes, it forgets what it hears: a replica that begins to write looks at all routes.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from socket import gethostname
from typing import NamedTuple
from uuid import uuid4

import structlog

from pilothouse.apiserver.answers import Unreadable
from pilothouse.apiserver.client import Client, Refused
from pilothouse.apiserver.credentials import Credentials
from pilothouse.apiserver.election import Election
from pilothouse.apiserver.election import Terms as ElectionTerms
from pilothouse.apiserver.kubeconfig import Access
from pilothouse.apiserver.lease import Lease
from pilothouse.kubernetes.gateway.backends import MULTICLUSTER
from pilothouse.kubernetes.objects.types import Key, declaring
from pilothouse.kubernetes.parse import MULTICLUSTER_KINDS
from pilothouse.model.services import ServiceName
from pilothouse.sources import Fault, Standing
from pilothouse.sources.kubernetes.shown import ShownRoutes
from pilothouse.status.board import Board, Due
from pilothouse.status.events import Events
from pilothouse.status.queue import Queue, Times
from pilothouse.structures.dirty import DirtySet
from pilothouse.structures.turns import in_turns

_log = structlog.get_logger(__name__)

_IMPORT = f"{MULTICLUSTER}/{MULTICLUSTER_KINDS['ServiceImport'][0]}"
LEASE = "pilothouse-status"
#: Who owns the fields that are written.
MANAGER = "pilothouse-status"
_INVALID, _TOO_MANY, _SERVER_ERROR = 422, 429, 500
# So many writes are under way at once, which bounds what a busy API server has to do for us.
_AT_ONCE = 4
_QUARANTINE_S = 1.0  # how often to look whether something was quarantined without a change
_REFUSED_S = 60.0  # what is not allowed is tried again so often
_QUIET_S = 150.0


class Pace(NamedTuple):
    """How long to wait for what, and how the replicas agree on one."""

    queue: Times = Times()
    election: ElectionTerms = ElectionTerms()


UNHURRIED = Pace()


class Writer:
    """Of one cluster. `stir` may be called at any time, and costs what marking costs."""

    def __init__(self, access: Access, shown: ShownRoutes, board: Board, pace: Pace = UNHURRIED) -> None:
        self._access, self._shown, self._board = access, shown, board
        self._services = DirtySet[ServiceName]()
        self._queue = Queue[Key](pace.queue)
        self._election = Election(f"{gethostname()}_{os.getpid()}_{uuid4().hex[:8]}", pace.election)
        self._wake = asyncio.Event()
        self._lease: Lease | None = None
        self._failures: dict[str, str] = {}  # by what cannot be written
        # By kind and namespace: until when nothing is tried, as it is not allowed.
        self._forbidden: dict[tuple[str, str], float] = {}

    @property
    def leads(self) -> bool:
        """Whether this replica is the one that writes."""
        return self._lease is not None and self._lease.leads

    def stir(self, names: Iterable[ServiceName]) -> None:
        """Something of these services has changed. A replica that does not write does not remember it."""
        if self.leads:
            self._services.mark(names)

    async def run(self) -> None:
        """Write until cancelled. Whatever goes wrong, the control plane goes on without."""
        while True:
            try:
                await self._run()
            except Exception:  # noqa: BLE001  (pushes to sidecars have nothing to do with it)
                _log.error("the status writer failed", retry_s=_REFUSED_S, exc_info=True)
                await asyncio.sleep(_REFUSED_S)

    async def _run(self) -> None:
        async with Client(self._access, Credentials(self._access), _QUIET_S) as client:
            where = self._access.namespace
            self._lease = Lease(client, where, LEASE, self._election, self._told("leases"))
            events = Events(client, self._election.identity)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._lease.run(self._begin))
                tasks.create_task(self._follow_services(events))
                tasks.create_task(self._follow_routes())
                tasks.create_task(self._follow_quarantine())
                tasks.create_task(events.run(lambda: self.leads, self._told("events")))
                for _ in range(_AT_ONCE):
                    tasks.create_task(self._write(client, events))

    def _begin(self) -> None:
        """This replica has been elected: what others have written meanwhile is seen in what is shown."""
        self._queue.clear()
        self._forbidden.clear()
        self._board.forget()
        self._ask(self._shown)

    def _ask(self, keys: Iterable[Key]) -> None:
        self._queue.ask(keys, time.monotonic())
        self._wake.set()

    async def _follow_services(self, events: Events) -> None:
        while True:
            names = await self._services.take()
            if self.leads:
                self._ask(await in_turns(self._board.stirred(names)))
                for name, condition, before in self._board.turned(names):
                    version = _IMPORT if name.imported else "v1"
                    events.tell(declaring(name), version, condition, before, _now())

    async def _follow_routes(self) -> None:
        while True:
            keys = await self._shown.changed.take()
            routes = {key: self._shown.get(key) for key in keys}
            for key in keys:
                if routes[key] is None:
                    self._queue.forget(key)
                    self._told(str(key))("")
            if self.leads:
                # Their Services have changed with them, which may not have been published yet.
                parents = {ref.service for route in routes.values() if route for ref in route.refs}
                others = await in_turns(self._board.stirred(parents))
                self._ask(others.union(key for key in keys if self._shown.get(key)))

    async def _follow_quarantine(self) -> None:
        while True:
            self.stir(self._board.quarantine_moved())
            await asyncio.sleep(_QUARANTINE_S)

    async def _write(self, client: Client, events: Events) -> None:
        while True:
            key = self._queue.take(time.monotonic())
            if key is None:
                await self._rest()
            elif (wait_s := self._forbidden_s(key)) > 0.0:
                self._queue.failed(key, time.monotonic(), wait_s)
                await asyncio.sleep(0)
            elif self.leads:
                due = self._board.due(key, _now())
                if due is not None:
                    await self._apply(client, key, due, events)
                else:
                    await asyncio.sleep(0)

    async def _rest(self) -> None:
        """Until it is somebody's turn, or somebody asks."""
        self._wake.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._queue.wait(time.monotonic())):
                await self._wake.wait()

    async def _apply(self, client: Client, key: Key, due: Due, events: Events) -> None:
        what = f"{key.kind.lower()}s/status"
        try:
            await client.apply(due.route.path, due.body, MANAGER)
        except Refused as refused:
            self._refused(key, what, refused)
        except (OSError, Unreadable) as error:
            self._told(what)(str(error))
            self._queue.failed_for_all(key, time.monotonic())
        else:
            self._told(what)("")
            self._told(str(key))("")
            self._queue.wrote(key, time.monotonic())
            if self._shown.get(key) is None:  # it went while it was written
                self._queue.forget(key)
            for condition, before in due.turned:
                events.tell(key, due.route.api_version, condition, before, _now())

    def _refused(self, key: Key, what: str, refused: Refused) -> None:
        if refused.missing:  # it is gone, or its kind is: the watch will say so
            self._queue.forget(key)
            return
        if not refused.conflicting:  # else it has changed, which the watch is about to tell
            self._told(str(key) if refused.status == _INVALID else what)(str(refused))
        now = time.monotonic()
        if refused.forbidden:
            self._forbidden[key.kind, key.namespace] = now + _REFUSED_S
        if refused.forbidden or refused.status == _INVALID:
            self._queue.failed(key, now, _REFUSED_S)
        elif refused.status == _TOO_MANY or refused.status >= _SERVER_ERROR:
            self._queue.failed_for_all(key, now, min(refused.retry_after_s, _REFUSED_S))
        else:
            self._queue.failed(key, now)

    def _forbidden_s(self, key: Key) -> float:
        return self._forbidden.get((key.kind, key.namespace), 0.0) - time.monotonic()

    def _told(self, what: str) -> Callable[[str], None]:
        """A function that is given the text of a failure, or an empty one. It is logged, and a fault."""

        def told(failure: str) -> None:
            before = self._failures.pop(what, "")
            if failure:
                self._failures[what] = failure
            if failure == before:
                return
            if failure and not before:
                _log.warning("cannot be written", what=what, reason=failure)
            elif not failure:
                _log.info("is written again", what=what)
            self._shown.faults = [_fault(each, why) for each, why in sorted(self._failures.items())]

        return told


def _fault(what: str, why: str) -> Fault:
    return Fault(what, "", f"cannot be written: {why}", Standing.STATED, warning=True)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
