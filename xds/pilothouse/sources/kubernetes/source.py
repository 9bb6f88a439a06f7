"""Services from the API server of a cluster: every object is listed once, and then watched."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby

import structlog

from pilothouse.kubernetes.served import WHOLE, ServedCluster
from pilothouse.model.reasons import Reason
from pilothouse.model.services import Service, ServiceName
from pilothouse.sources import NOTHING, UNSTATED, Cause, Fault, Sink, Standing, Unknown
from pilothouse.sources.kubernetes.client import Client
from pilothouse.sources.kubernetes.credentials import Credentials
from pilothouse.sources.kubernetes.decoding import Decoder
from pilothouse.sources.kubernetes.kept import Kept
from pilothouse.sources.kubernetes.kubeconfig import Access
from pilothouse.sources.kubernetes.last_good import LastGood
from pilothouse.sources.kubernetes.reflector import UNHURRIED, Failing, Pace, Reflector
from pilothouse.sources.kubernetes.resources import (
    BUILT_IN,
    GATEWAY,
    NAMESPACES,
    NODES,
    PODS,
    Resource,
    Scope,
    installed,
)
from pilothouse.sources.kubernetes.statements import Inbox, Listed, Statement
from pilothouse.structures.turns import Steps, in_turns

_log = structlog.get_logger(__name__)

# What says where endpoints are, and their weights: without it services are known all the same.
_DISPENSABLE = (NODES.kind, PODS.kind)
_FORBIDDEN = 403
# How many answers in a row have to say that a kind is not there any more.
_CERTAIN = 2


class KubernetesSource:
    """The services of one cluster. `access` says where its API server is, and who asks; `selector` is a label
    selector of its Services.

    An API server that does not answer at the start raises OSError. Later each resource is followed by itself:
    one that cannot be read keeps its last state, the source is stale, and the others go on.
    """

    name = "kubernetes"

    def __init__(  # noqa: PLR0913  (what an operator says, each once)
        self,
        access: Access,
        served: ServedCluster = WHOLE,
        *,
        selector: str = "",
        kept: Kept | None = None,
        accept_missing: bool = False,
        pace: Pace = UNHURRIED,
    ) -> None:
        self._access, self._served, self._pace = access, served, pace
        self._selector = selector
        self._kept, self._recovered = kept, kept is None or accept_missing
        self._last_good = LastGood(served)
        self._reported: dict[ServiceName, Service] = {}
        self._unknown: Unknown | None = None  # until the first report
        self._run: _Run | None = None
        self._stale = ""
        self._complained: set[str] = set()

    @property
    def faults(self) -> Sequence[Fault]:
        dispensable = self._run.dispensable if self._run else ()
        kept = self._kept.faults if self._kept else ()
        return (*self._last_good.faults, *map(_unread, dispensable), *kept)

    @property
    def left_out(self) -> Mapping[Reason, int]:
        return self._last_good.left_out_by_reason

    def reread(self) -> None:
        if self._run:
            self._run.begin_anew()

    async def run(self, sink: Sink) -> None:
        if not self._recovered:
            await self._recover(sink)
        failure: OSError | None = None
        try:
            credentials = Credentials(self._access)
            async with (
                Client(self._access, credentials, self._pace.quiet_s) as client,
                asyncio.TaskGroup() as tasks,
            ):
                self._run = _Run(client, tasks, self._served, self._selector, self._pace)
                await self._follow(self._run, sink)
        except* OSError as group:
            failure = _first(group)
        finally:
            self._run = None
        if failure:
            raise failure

    async def _recover(self, sink: Sink) -> None:
        """Let what an earlier process kept be in force until the API server answers."""
        assert self._kept
        objects = await self._kept.load()
        self._recovered = True
        if not objects:
            return
        await in_turns(self._last_good.recover(objects))
        await in_turns(self._compared(dict.fromkeys(self._last_good.names, UNSTATED)))
        sink.restore(self._reported.values())
        _log.warning("what an earlier process kept stands in for the cluster", services=len(self._reported))

    async def _follow(self, run: _Run, sink: Sink) -> None:
        await run.begin(self._last_good.subset_labels)
        await self._load(run)
        self._report_first(run, sink)
        run.keep_asking()
        if self._kept:
            run.keep(self._kept.keep(self._last_good.objects))
        while True:
            await self._take(await run.inbox.take(), sink)
            run.follow_labels(self._last_good.subset_labels)
            self._report_unknown(run, sink)
            self._tell_stale(run, sink)

    async def _load(self, run: _Run) -> None:
        """Until all that is essential was listed, and the rest as well, if that does not take too long."""
        ends = float("inf")
        while run.inbox or not (run.is_settled or time.monotonic() >= ends):
            if run.has_essentials:
                ends = min(ends, time.monotonic() + self._pace.grace_s)
            else:
                run.raise_failure()
            remaining = None if ends == float("inf") else max(0.0, ends - time.monotonic())
            await self._take_in(await run.inbox.take(remaining))
            run.follow_labels(self._last_good.subset_labels)

    def _report_first(self, run: _Run, sink: Sink) -> None:
        if self._unknown is None:
            self._unknown = self._now_unknown(run)
            sink.unknown(self._unknown)
        sink.replace(self._reported.values(), cause=Cause(self._access.server))
        self._stale = ""
        self._tell_stale(run, sink)

    def _report_unknown(self, run: _Run, sink: Sink) -> None:
        if self._unknown and self._unknown.places:
            unknown = self._now_unknown(run)
            if unknown != self._unknown:
                self._unknown = unknown
                sink.unknown(unknown)

    def _now_unknown(self, run: _Run) -> Unknown:
        unlisted = (what for what, kind in run.unlisted if not self._last_good.knows(kind))
        places = tuple(sorted([*unlisted, *self._last_good.broken]))
        return Unknown(places) if places else NOTHING

    def _tell_stale(self, run: _Run, sink: Sink) -> None:
        failing = run.failing
        why = "; ".join(_stale(failing[each], each) for each in failing)
        if why == self._stale:
            return
        self._stale = why
        sink.stale(why)
        # That one resource fails for the reason of another is no news.
        news, self._complained = failing.keys() - self._complained, {*failing}
        for reason in sorted(news):
            what = ", ".join(name for name, _ in failing[reason])
            _log.warning("a part of the cluster cannot be followed", what=what, reason=reason)
        if not failing:
            _log.info("all of the cluster is followed again")

    async def _take_in(self, statements: Sequence[Statement]) -> dict[ServiceName, Cause]:
        """Returns the services that differ from what was reported, or are gone."""
        causes = await in_turns(self._last_good.taking(statements))
        if self._kept:
            self._kept.changed(self._last_good.unsaved, self._last_good.implied_losses)
        self._last_good.saved()
        return await in_turns(self._compared(causes))

    def _compared(self, causes: Mapping[ServiceName, Cause]) -> Steps[dict[ServiceName, Cause]]:
        changed: dict[ServiceName, Cause] = {}
        for name, cause in causes.items():
            service = self._last_good.service(name)
            if service != self._reported.get(name):
                changed[name] = cause
                if service is None:
                    del self._reported[name]
                else:
                    self._reported[name] = service
            yield
        return changed

    async def _take(self, statements: Sequence[Statement], sink: Sink) -> None:
        """What an event says is stated. What a list lacks nobody has stated: the guard judges."""
        for is_list, said in groupby(statements, lambda each: isinstance(each, Listed)):
            changed = await self._take_in([*said])
            if not changed:
                continue
            if is_list:
                sink.replace(self._reported.values(), cause=next(iter(changed.values())))
            else:
                with sink.together():
                    await in_turns(self._reporting(sink, changed))

    def _reporting(self, sink: Sink, changed: Mapping[ServiceName, Cause]) -> Steps[None]:
        for name, cause in changed.items():
            service = self._reported.get(name)
            if service is None:
                sink.remove(name, cause)
            else:
                sink.put(service, cause, observed=True)
            yield


class _Run:
    """All that is followed between a start and a failure: a reflector for each resource and namespace."""

    def __init__(
        self,
        client: Client,
        tasks: asyncio.TaskGroup,
        served: ServedCluster,
        selector: str,
        pace: Pace,
    ) -> None:
        self.inbox = Inbox()
        self._client, self._tasks, self._pace = client, tasks, pace
        self._namespaces = sorted(namespace for namespace in served.included if served.serves(namespace))
        self._selector = selector
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
            yield GATEWAY, ""
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
        failing.append((GATEWAY, self._deaf))
        reasons: dict[str, list[tuple[str, Failing]]] = {}
        for what, why in failing:
            if why:
                reasons.setdefault(why.why, []).append((what, why))
        return reasons

    def _begin(self, resource: Resource) -> None:
        namespaces: Sequence[str] = self._namespaces or ("",)
        for namespace in namespaces if resource != NODES else ("",):
            self._start(resource, Scope(resource.kind, namespace))

    def _start(self, resource: Resource, scope: Scope) -> None:
        if scope in self._running:
            self._running.pop(scope).cancel()
        before = self._followed.get(scope)
        reflector = Reflector(
            self._client,
            resource,
            scope,
            Decoder(resource, self._labels),
            self.inbox.put,
            self.inbox.wake,
            self._pace,
            self._selected(resource, scope),
        )
        if before is not None:
            reflector.listed, reflector.failing = before.listed, before.failing
        self._followed[scope] = reflector
        self._running[scope] = self._tasks.create_task(reflector.follow())

    def _selected(self, resource: Resource, scope: Scope) -> Mapping[str, str]:
        """The parameters that say which objects are asked for."""
        if resource == NAMESPACES and scope.namespace:
            return {"fieldSelector": f"metadata.name={scope.namespace}"}
        # The controller gives slices the labels of their Service.
        return {"labelSelector": self._selector} if resource.essential and self._selector else {}

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
        try:
            served = await self._client.kinds(GATEWAY)
        except OSError as error:
            since_s = self._deaf.since_s if self._deaf else time.time()
            self._deaf = Failing(str(error), since_s)
            self.inbox.wake()
            return
        if self._deaf or not self._knows_kinds:
            self._deaf, self._knows_kinds = None, True
            self.inbox.wake()
        await self._adjust({resource.kind: resource for resource in installed(served)})

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
    forbidden = reflector.failing is not None and reflector.failing.status == _FORBIDDEN
    return forbidden and not reflector.listed and reflector.resource.kind in _DISPENSABLE


def _stale(failing: Sequence[tuple[str, Failing]], why: str) -> str:
    since = datetime.fromtimestamp(min(each.since_s for _, each in failing), UTC)
    names = ", ".join(what for what, _ in failing)
    return f"{names} since {since:%H:%M:%S} UTC: {why}"


def _unread(unread: tuple[str, Failing]) -> Fault:
    what, failing = unread
    return Fault(what, "", failing.why, Standing.ABSENT, warning=True)


def _first(group: BaseExceptionGroup[OSError]) -> OSError:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
