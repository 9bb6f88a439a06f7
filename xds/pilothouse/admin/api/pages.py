"""The table of pages. The routes, the index and the OpenAPI document are made from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pilothouse.admin.api import views
from pilothouse.admin.api.inquiry import Inquiry, Wanted
from pilothouse.admin.api.parameters import AFTER, LIMIT, Parameter, ago, one_of, yes
from pilothouse.admin.api.views.proxies import PROXY_STATES
from pilothouse.admin.readiness import explain, readiness
from pilothouse.admin.status import FaultStatus, PropagationStatus, SourceStatus

PREFIX = "/api/v1"

Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Body:
    """What a page is sent, as JSON: a value of a type, in at most so many bytes. The argument is `body`."""

    about: str
    kind: Any
    most: int


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its path below the prefix, what it is about, what it answers, and how to ask for that.

    Parts of the path in braces are arguments, as the parameters of the query are. A page with a body is
    asked by POST. It changes nothing either.
    """

    path: str
    about: str
    answer: type[views.View]
    ask: Callable[[Inquiry, Arguments], Awaitable[views.View]]
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None

    @property
    def method(self) -> str:
        return "GET" if self.body is None else "POST"


async def _status(ask: Inquiry, _: Arguments) -> views.StatusView:
    status = ask.questions
    verdict = readiness(status)
    states, behind = await ask.states()
    counts = views.Counts(
        services=status.services,
        endpoints=status.endpoints,
        quarantined=len(status.quarantined),
        proxies=states,
        left_out=dict(status.left_out),
        unserved=status.unserved.services,
    )
    since = views.moment(status.started_at)
    said = verdict.ready, verdict.degraded, verdict.reasons, verdict.warnings
    first, ambiguous = status.unserved.first, await ask.ambiguous()
    return views.StatusView(status.version, since, *said, counts, behind, first, ambiguous)


async def _sources(ask: Inquiry, said: Arguments) -> views.SourceList:
    found = sorted(ask.questions.sources, key=lambda source: source.name)
    rest = [source for source in found if source.name > said["after"]]
    shown = rest[: said["limit"]]
    more = shown[-1].name if len(rest) > len(shown) else None
    return views.SourceList(tuple(map(source_view, shown)), more)


def source_view(source: SourceStatus) -> views.SourceView:
    """A source as pages show it."""
    return views.SourceView(
        source.name,
        explain(source),
        source.synced,
        source.stale,
        source.services,
        tuple(map(_fault, source.faults)),
        tuple(map(_fault, source.warnings)),
        source.unknown,
        _moment(source.last_report_s),
        _moment(source.stale_since_s),
        source.error or None,
    )


def _fault(fault: FaultStatus) -> views.FaultView:
    said = dict(fault.parts)
    file, line = said.get("file"), said.get("line")
    return views.FaultView(
        fault.place,
        fault.message,
        fault.field or None,
        fault.in_force or None,
        fault.code or None,
        str(file) if file else None,
        int(line) if line else None,
    )


async def _holds(ask: Inquiry, said: Arguments) -> views.HoldList:
    found = sorted((each for each in ask.questions.sources if each.hold), key=lambda each: each.name)
    rest = [each for each in found if each.name > said["after"]]
    shown = rest[: said["limit"]]
    items = tuple(hold_view(each) for each in shown)
    return views.HoldList(items, shown[-1].name if len(rest) > len(shown) else None)


def hold_view(source: SourceStatus) -> views.HoldView:
    """The hold of a source that has one."""
    hold = source.hold
    assert hold is not None
    times = views.moment(hold.since), views.moment(hold.until)
    return views.HoldView(source.name, hold.services, hold.endpoints, *times, hold.names)


async def _propagation(ask: Inquiry, said: Arguments) -> views.PropagationList:
    found = sorted(ask.questions.propagation, key=lambda each: each.source)
    rest = [each for each in found if each.source > said["after"]]
    shown = rest[: said["limit"]]
    items = tuple(map(_propagated, shown))
    return views.PropagationList(items, shown[-1].source if len(rest) > len(shown) else None)


def _propagated(of: PropagationStatus) -> views.PropagationView:
    told = of.source, of.revisions, of.pending, of.incomplete, of.rejected, of.unneeded
    taken = of.taken
    return views.PropagationView(*told, taken.bounds, taken.seconds, round(taken.total_s, 6))


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else views.moment(seconds)


async def _drains(ask: Inquiry, said: Arguments) -> views.DrainList:
    return await ask.drains(**said)


async def _proxies(ask: Inquiry, said: Arguments) -> views.ProxyList:
    return await ask.proxies(**said)


async def _proxy(ask: Inquiry, said: Arguments) -> views.ProxyView:
    return await ask.proxy(said["node"])


async def _resources(ask: Inquiry, said: Arguments) -> views.ResourceList:
    return await ask.resources(said["node"], _wanted(said))


async def _diff(ask: Inquiry, said: Arguments) -> views.DiffView:
    return await ask.diff(said["node"], _wanted(said))


async def _would_get(ask: Inquiry, said: Arguments) -> views.WouldGetView:
    return await ask.would_get(said["body"], _wanted(said))


async def _what_if(ask: Inquiry, said: Arguments) -> views.WhatIfView:
    return await ask.what_if(said["body"])


def _wanted(said: Arguments) -> Wanted:
    return Wanted(said["type"], said["resource"], said["content"], said["limit"], said["after"])


async def _services(ask: Inquiry, said: Arguments) -> views.ServiceList:
    return await ask.services(**said)


async def _service(ask: Inquiry, said: Arguments) -> views.ServiceView:
    return await ask.service(**said)


async def _endpoints(ask: Inquiry, said: Arguments) -> views.EndpointList:
    return await ask.endpoints(**said)


async def _changes(ask: Inquiry, said: Arguments) -> views.ChangeList:
    return await ask.changes(**said)


async def _change(ask: Inquiry, said: Arguments) -> views.ChangeView:
    return await ask.change(**said)


async def _notes(ask: Inquiry, said: Arguments) -> views.NoteList:
    return await ask.notes(**said)


async def _nacks(ask: Inquiry, said: Arguments) -> views.NackList:
    return await ask.nacks(**said)


async def _explain(ask: Inquiry, said: Arguments) -> views.ExplainView:
    return await ask.explain(**said)


_LIST = (LIMIT, AFTER)
_NAMESPACE = Parameter("namespace", "Only services of this namespace.")
_OF_NAMESPACE = Parameter("namespace", "Only proxies of this namespace.")
_STATE = Parameter("state", f"Only proxies in this state: {', '.join(PROXY_STATES)}.", one_of(PROXY_STATES))
_SEARCH = Parameter("search", "Only services with this text in NAMESPACE/NAME.")
_ONE = Parameter("service", "One service: NAMESPACE/NAME.")
_SINCE = Parameter("since", "Only changes since then: a duration such as 10m, or a time.", ago, ago("365d"))
_CLIENT = (
    Parameter("proxy", "The node id of the proxy that calls."),
    Parameter("namespace", "The namespace of a client, instead of a proxy."),
    Parameter("locality", "The place of a client, instead of a proxy: REGION/ZONE."),
)
_EXPLAINED = (
    Parameter("name", "A host name, an IP or NAMESPACE/NAME, with or without a port; or a URL."),
    *_CLIENT,
    Parameter("endpoint", "Only the endpoint with this address."),
)
_TYPE = Parameter("type", "One type, such as CDS. Without it, all types.")
_RESOURCES = (
    _TYPE,
    Parameter("resource", "Only the resource with this name."),
    Parameter("content", "With the content of each resource: yes or no.", yes, False),
    *_LIST,
)

PAGES = (
    Page(
        "/status", "Whether it is ready, how much there is, what needs attention.", views.StatusView, _status
    ),
    Page(
        "/sources",
        "The sources, what each cannot read, and since when it fails.",
        views.SourceList,
        _sources,
        _LIST,
    ),
    Page("/holds", "Losses that are not believed yet.", views.HoldList, _holds, _LIST),
    Page("/drains", "Endpoints that an operator has taken out of service.", views.DrainList, _drains, _LIST),
    Page(
        "/proxies",
        "The proxies, and those that have gone lately or are refused.",
        views.ProxyList,
        _proxies,
        (_STATE, _OF_NAMESPACE, *_LIST),
    ),
    Page(
        "/proxies/{node:path}/resources",  # first, because a node id may have slashes
        "The resources that a proxy holds.",
        views.ResourceList,
        _resources,
        _RESOURCES,
    ),
    Page(
        "/proxies/{node:path}/diff",
        "How what a proxy was sent differs from what it should have.",
        views.DiffView,
        _diff,
        _RESOURCES,
    ),
    Page(
        "/proxies/{node:path}",
        "One proxy: who it is, and how it stands with each type.",
        views.ProxyView,
        _proxy,
    ),
    Page(
        "/resources",
        "The resources that a client would get, if it connected and had proven nothing.",
        views.WouldGetView,
        _would_get,
        _RESOURCES,
        Body("A node as Envoy sends it: envoy.config.core.v3.Node.", dict[str, Any], 64 << 10),
    ),
    Page(
        "/services",
        "The services, and what of each is left out.",
        views.ServiceList,
        _services,
        (_NAMESPACE, _SEARCH, *_LIST),
    ),
    Page("/services/{namespace}/{name}", "One service.", views.ServiceView, _service),
    Page(
        "/endpoints",
        "The endpoints, and why some are not called; for one client, with priorities and shares.",
        views.EndpointList,
        _endpoints,
        (_ONE, *_CLIENT, *_LIST),
    ),
    Page(
        "/changes",
        "What has changed, and who has it.",
        views.ChangeList,
        _changes,
        (_ONE, _SINCE, *_LIST),
    ),
    Page("/changes/{number}", "One change, and who has not answered yet.", views.ChangeView, _change),
    Page(
        "/propagation",
        "What became of each source's changes, and how long the last acknowledgement took.",
        views.PropagationList,
        _propagation,
        _LIST,
    ),
    Page(
        "/notes",
        "What proxies rejected, which losses were held, what operators did.",
        views.NoteList,
        _notes,
        (_SINCE, *_LIST),
    ),
    Page(
        "/nacks",
        "What proxies have rejected, and of which services.",
        views.NackList,
        _nacks,
        _LIST,
    ),
    Page(
        "/what-if",
        "What manifests would change if they were applied, and for which proxies.",
        views.WhatIfView,
        _what_if,
        body=Body("The manifests, and what is supposed of them.", views.Supposition, 4 << 20),
    ),
    Page("/explain", "Where a name leads, and why not further.", views.ExplainView, _explain, _EXPLAINED),
)


def arguments(path: str) -> tuple[str, ...]:
    """The names of the arguments in a path."""
    return tuple(part.strip("{}").removesuffix(":path") for part in path.split("/") if part.startswith("{"))
