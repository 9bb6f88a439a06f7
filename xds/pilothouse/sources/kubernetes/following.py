"""What of a cluster is followed: a reflector for each resource and namespace, as kinds come and go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence

from pilothouse.apiserver.client import Client
from pilothouse.kubernetes.served import ServedCluster
from pilothouse.sources.kubernetes.decoding import Decoder
from pilothouse.sources.kubernetes.overlap import Overlap
from pilothouse.sources.kubernetes.reflector import Failing, Pace, Reflector
from pilothouse.sources.kubernetes.resources import (
    BUILT_IN,
    INSTALLED,
    NODES,
    PODS,
    Resource,
    Scope,
    installed,
)
from pilothouse.sources.kubernetes.statements import Inbox, Listed, Statement

# What says where endpoints are, and their weights: without it services are known all the same.
_DISPENSABLE = (NODES.kind, PODS.kind)
# How many answers in a row have to say that a kind is not there any more.
_CERTAIN = 2


class Following:
    """All that is followed between a start and a failure: a reflector for each resource and namespace."""

    def __init__(
        self,
        client: Client,
        tasks: asyncio.TaskGroup,
        served: ServedCluster,
        selectors: Sequence[str],
        pace: Pace,
    ) -> None:
        self.inbox = Inbox()
        self._client, self._tasks, self._pace = client, tasks, pace
        self._namespaces = sorted(namespace for namespace in served.included if served.serves(namespace))
        self._selectors = selectors
        self._overlaps: dict[tuple[str, str], Overlap] = {}  # by kind and namespace
        self._labels = frozenset[str]()
        self._followed: dict[Scope, Reflector] = {}
        self._running: dict[Scope, asyncio.Task[None]] = {}
        self._missing: dict[str, int] = {}  # kind -> how often in a row it was not there
        self._deaf: Failing | None = None  # the API server does not say which kinds there are
        self._knows_kinds = False
        self._again = asyncio.Event()

    async def begin(self, labels: frozenset[str]) -> None:
        self._labels = labels
        for resource in BUILT_IN:
            self._begin(resource)
        await self._ask()

    def begin_anew(self) -> None:
        """List everything again."""
        for reflector in [*self._followed.values()]:
            self._start(reflector.resource, reflector.scope)
        self._again.set()

    def keep_asking(self) -> None:
        """Which kinds there are, and by that whether somebody is there at all."""
        self._tasks.create_task(self._keep_asking())

    def keep(self, keeping: Coroutine[None, None, None]) -> None:
        """Go on with this meanwhile."""
        self._tasks.create_task(keeping)

    def follow_labels(self, labels: frozenset[str]) -> None:
        """By which labels of Pods services are divided: of the Pods that are known others were not kept."""
        if not labels <= self._labels:
            self._labels = labels
            for scope in [scope for scope in self._followed if scope.kind == PODS.kind]:
                self._start(PODS, scope)

    @property
    def has_essentials(self) -> bool:
        return all(one.listed for one in self._followed.values() if one.resource.essential)

    @property
    def is_settled(self) -> bool:
        """Whether everything was listed, or cannot be."""
        others = (one for one in self._followed.values() if not one.resource.essential)
        return self.has_essentials and all(one.listed or one.failing for one in others)

    def raise_failure(self) -> None:
        """Raises OSError if something essential fails."""
        for reflector in self._followed.values():
            if reflector.resource.essential and reflector.failing:
                raise OSError(reflector.failing.why)

    @property
    def unlisted(self) -> Iterator[tuple[str, str]]:
        """What has not been read, with its kind; but for what nobody depends on."""
        if not self._knows_kinds:
            yield from ((group, "") for group in INSTALLED)
        for reflector in self._followed.values():
            if not reflector.listed and reflector.resource.kind not in _DISPENSABLE:
                yield str(reflector), reflector.resource.kind

    @property
    def dispensable(self) -> Iterator[tuple[str, Failing]]:
        """What we may not read, and can do without."""
        for reflector in self._followed.values():
            if reflector.failing and _is_dispensable(reflector):
                yield str(reflector), reflector.failing

    @property
    def failing(self) -> Mapping[str, Sequence[tuple[str, Failing]]]:
        """What of the cluster is not followed right now, by the reason."""
        failing = [(str(one), one.failing) for one in self._followed.values() if not _is_dispensable(one)]
        failing += [(group, self._deaf) for group in INSTALLED]
        reasons: dict[str, list[tuple[str, Failing]]] = {}
        for what, why in failing:
            if why:
                reasons.setdefault(why.why, []).append((what, why))
        return reasons

    def _begin(self, resource: Resource) -> None:
        namespaces: Sequence[str] = self._namespaces or ("",)
        # The controller gives slices the labels of their Service.
        selectors: Sequence[str] = (resource.essential and self._selectors) or ("",)
        for namespace in namespaces if resource != NODES else ("",):
            if len(selectors) > 1:
                self._overlaps[resource.kind, namespace] = Overlap(selectors)
            for selector in selectors:
                self._start(resource, Scope(resource.kind, namespace, selector))

    def _start(self, resource: Resource, scope: Scope) -> None:
        if scope in self._running:
            self._running.pop(scope).cancel()
        before = self._followed.get(scope)
        reflector = Reflector(
            self._client,
            resource,
            scope,
            Decoder(resource, self._labels),
            self._tell,
            self.inbox.wake,
            self._pace,
        )
        if before is not None:
            reflector.listed, reflector.failing = before.listed, before.failing
        self._followed[scope] = reflector
        self._running[scope] = self._tasks.create_task(reflector.follow())

    async def _tell(self, statement: Statement) -> None:
        overlap = self._overlaps.get((statement.scope.kind, statement.scope.namespace))
        joined = overlap.joined(statement) if overlap else statement
        if joined:
            await self.inbox.put(joined)

    async def _end(self, scope: Scope) -> None:
        """A kind is not there any more, and so none of its objects is."""
        self._running.pop(scope).cancel()
        reflector = self._followed.pop(scope)
        await self.inbox.put(Listed(scope, (), f"{reflector} is not there any more"))

    async def _keep_asking(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._pace.ask_s):
                    await self._again.wait()
            except TimeoutError:
                pass
            self._again.clear()
            await self._ask()

    async def _ask(self) -> None:
        there: dict[str, Resource] = {}
        try:
            for group in INSTALLED:
                served = await self._client.kinds(group)
                there |= {resource.kind: resource for resource in installed(group, served)}
        except OSError as error:
            since_s = self._deaf.since_s if self._deaf else time.time()
            self._deaf = Failing(str(error), since_s)
            self.inbox.wake()
            return
        if self._deaf or not self._knows_kinds:
            self._deaf, self._knows_kinds = None, True
            self.inbox.wake()
        await self._adjust(there)

    async def _adjust(self, there: Mapping[str, Resource]) -> None:
        """Follow what has been installed. What is gone has to be gone for longer than a moment."""
        built_in = {resource.kind for resource in BUILT_IN}
        known = {one.resource.kind: one.resource for one in self._followed.values()}
        for kind, resource in there.items():
            self._missing.pop(kind, None)
            if known.get(kind) != resource:
                self._begin(resource)
        for kind in known.keys() - there.keys() - built_in:
            self._missing[kind] = self._missing.get(kind, 0) + 1
            if self._missing[kind] >= _CERTAIN:
                del self._missing[kind]
                for scope in [scope for scope in self._followed if scope.kind == kind]:
                    await self._end(scope)


def _is_dispensable(reflector: Reflector) -> bool:
    """Whether it was never ours to read, and is not needed."""
    forbidden = reflector.failing is not None and reflector.failing.forbidden
    return forbidden and not reflector.listed and reflector.resource.kind in _DISPENSABLE
