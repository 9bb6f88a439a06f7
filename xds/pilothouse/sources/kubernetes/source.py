"""Services from the API server of a cluster: every object is listed once, and then watched."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby

import structlog

from pilothouse.apiserver.client import Client
from pilothouse.apiserver.credentials import Credentials
from pilothouse.apiserver.kubeconfig import Access
from pilothouse.kubernetes.objects.types import Key, Object
from pilothouse.kubernetes.served import WHOLE, ServedCluster
from pilothouse.model.reasons import Reason
from pilothouse.model.services import Service, ServiceName
from pilothouse.sources import NOTHING, UNSTATED, Cause, Fault, Sink, Standing, Unknown
from pilothouse.sources.kubernetes.following import Following
from pilothouse.sources.kubernetes.kept import Kept
from pilothouse.sources.kubernetes.last_good import LastGood
from pilothouse.sources.kubernetes.reflector import UNHURRIED, Failing, Pace
from pilothouse.sources.kubernetes.shown import ShownRoutes
from pilothouse.sources.kubernetes.statements import Listed, Statement
from pilothouse.structures.turns import Steps, in_turns

_log = structlog.get_logger(__name__)


class KubernetesSource:
    """The services of one cluster. `access` says where its API server is, and who asks; `selectors` are label
    selectors of its Services: those that any of them selects are served; without one, all are. `shown` is
    kept up to date for whoever writes the status of routes.

    An API server that does not answer at the start raises OSError. Later each resource is followed by itself:
    one that cannot be read keeps its last state, the source is stale, and the others go on.
    """

    name = "kubernetes"

    def __init__(  # noqa: PLR0913  (what an operator says, each once)
        self,
        access: Access,
        served: ServedCluster = WHOLE,
        *,
        selectors: Sequence[str] = (),
        kept: Kept | None = None,
        accept_missing: bool = False,
        pace: Pace = UNHURRIED,
        shown: ShownRoutes | None = None,
    ) -> None:
        self.access, self.shown = access, shown
        self._served, self._pace = served, pace
        self._selectors = selectors
        self._kept, self._recovered = kept, kept is None or accept_missing
        self._last_good = LastGood(served, shown)
        self._reported: dict[ServiceName, Service] = {}
        self._unknown: Unknown | None = None  # until the first report
        self._following: Following | None = None
        self._stale = ""
        self._complained: set[str] = set()

    @property
    def faults(self) -> Sequence[Fault]:
        dispensable = self._following.dispensable if self._following else ()
        kept = self._kept.faults if self._kept else ()
        unwritten = self.shown.faults if self.shown else ()
        return (*self._last_good.faults, *map(_unread, dispensable), *kept, *unwritten)

    @property
    def left_out(self) -> Mapping[Reason, int]:
        return self._last_good.left_out_by_reason

    def reports(self, name: ServiceName) -> bool:
        """Whether a service is one of this cluster."""
        return name in self._reported

    def supposing(
        self, put: Sequence[Object], gone: Sequence[Key]
    ) -> Steps[Mapping[ServiceName, Service | None]]:
        """See `Declaring`."""
        return self._last_good.supposing(put, gone)

    def reread(self) -> None:
        if self._following:
            self._following.begin_anew()

    async def run(self, sink: Sink) -> None:
        if not self._recovered:
            await self._recover(sink)
        failure: OSError | None = None
        try:
            credentials = Credentials(self.access)
            async with (
                Client(self.access, credentials, self._pace.quiet_s) as client,
                asyncio.TaskGroup() as tasks,
            ):
                self._following = Following(client, tasks, self._served, self._selectors, self._pace)
                await self._follow(self._following, sink)
        except* OSError as group:
            failure = _first(group)
        finally:
            self._following = None
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

    async def _follow(self, following: Following, sink: Sink) -> None:
        await following.begin(self._last_good.subset_labels)
        await self._load(following)
        self._report_first(following, sink)
        following.keep_asking()
        if self._kept:
            following.keep(self._kept.keep(self._last_good.objects))
        while True:
            await self._take(await following.inbox.take(), sink)
            self._tell_shown()
            following.follow_labels(self._last_good.subset_labels)
            self._report_unknown(following, sink)
            self._tell_stale(following, sink)

    async def _load(self, following: Following) -> None:
        """Until all that is essential was listed, and the rest as well, if that does not take too long."""
        ends, causes = float("inf"), dict[ServiceName, Cause]()
        while following.inbox or not (following.is_settled or time.monotonic() >= ends):
            if following.has_essentials:
                ends = min(ends, time.monotonic() + self._pace.grace_s)
            else:
                following.raise_failure()
            remaining = None if ends == float("inf") else max(0.0, ends - time.monotonic())
            causes.update(await self._take_in(await following.inbox.take(remaining)))
            following.follow_labels(self._last_good.subset_labels)
        # Not before, because each list concerns most services again.
        await in_turns(self._compared(causes))

    def _report_first(self, following: Following, sink: Sink) -> None:
        if self._unknown is None:
            self._unknown = self._now_unknown(following)
            sink.unknown(self._unknown)
        sink.replace(self._reported.values(), cause=Cause(self.access.server))
        self._tell_shown()
        self._stale = ""
        self._tell_stale(following, sink)

    def _tell_shown(self) -> None:
        if self.shown is not None:
            self.shown.tell()

    def _report_unknown(self, following: Following, sink: Sink) -> None:
        if self._unknown and self._unknown.places:
            unknown = self._now_unknown(following)
            if unknown != self._unknown:
                self._unknown = unknown
                sink.unknown(unknown)

    def _now_unknown(self, following: Following) -> Unknown:
        unlisted = (what for what, kind in following.unlisted if not self._last_good.knows(kind))
        places = tuple(sorted([*unlisted, *self._last_good.broken]))
        return Unknown(places) if places else NOTHING

    def _tell_stale(self, following: Following, sink: Sink) -> None:
        failing = following.failing
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
        """Returns the services that may differ from what was reported."""
        causes = await in_turns(self._last_good.taking(statements))
        if self._kept:
            self._kept.changed(self._last_good.unsaved, self._last_good.implied_losses)
        self._last_good.saved()
        return causes

    def _compared(self, causes: Mapping[ServiceName, Cause]) -> Steps[dict[ServiceName, Cause]]:
        """Returns the services that differ from what was reported, or are gone."""
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
            changed = await in_turns(self._compared(await self._take_in([*said])))
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
