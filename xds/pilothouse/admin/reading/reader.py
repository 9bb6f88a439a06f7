"""The running parts as the API may ask them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pilothouse.admin.api import views
from pilothouse.admin.api.events import Events
from pilothouse.admin.api.inquiry import Wanted
from pilothouse.admin.reading import (
    changes,
    diff,
    drains,
    endpoints,
    explain,
    proxies,
    resources,
    services,
)
from pilothouse.admin.reading.clients import Asking, asking
from pilothouse.admin.reading.history import History
from pilothouse.admin.reading.services import Parts
from pilothouse.admin.reading.what_if import WhatIf
from pilothouse.admin.status import Questions, StreamsStatus
from pilothouse.journal.journal import Journal
from pilothouse.model.services import ServiceName
from pilothouse.server.discovery import Discovery


class Reader:
    """Answers from the parts as they are now. It keeps none of them, and returns values."""

    def __init__(
        self,
        questions: Callable[[], Questions],
        parts: Parts,
        discovery: Discovery,
        events: Events,
        journal: Journal,
    ) -> None:
        self._questions = questions
        self._parts, self._discovery = parts, discovery
        self.events = events
        self._history = History(parts.registry.revisions, journal)
        self._what_if = WhatIf(parts, discovery)

    @property
    def questions(self) -> Questions:
        return self._questions()

    async def standing(self) -> StreamsStatus:
        return await proxies.standing(self._discovery)

    async def states(self) -> tuple[dict[str, int], tuple[views.BehindView, ...]]:
        return await proxies.states(self._discovery)

    async def ambiguous(self) -> tuple[str, ...]:
        return await proxies.ambiguous(self._discovery.roster)

    async def proxies(self, state: str, namespace: str, limit: int, after: str) -> views.ProxyList:
        return await proxies.rows(self._discovery.roster, state, namespace, limit, after)

    async def proxy(self, node: str) -> views.ProxyView:
        return await proxies.proxy(self._discovery.roster, node)

    async def resources(self, node: str, wanted: Wanted) -> views.ResourceList:
        return await resources.held(self._parts, self._discovery, node, wanted)

    async def diff(self, node: str, wanted: Wanted) -> views.DiffView:
        return await diff.diff(self._parts, self._discovery, node, wanted)

    async def would_get(self, node: Mapping[str, Any], wanted: Wanted) -> views.WouldGetView:
        return await resources.would_get(self._parts, self._discovery, node, wanted)

    async def services(self, namespace: str, search: str, limit: int, after: str) -> views.ServiceList:
        return await services.rows(self._parts, namespace, search, limit, after)

    async def service(self, namespace: str, name: str) -> views.ServiceView:
        return await services.service(self._parts, ServiceName(namespace, name))

    async def endpoints(  # noqa: PLR0913  (the parameters of the page)
        self, service: str, proxy: str, namespace: str, locality: str, limit: int, after: str
    ) -> views.EndpointList:
        who = await self._asking(proxy, namespace, locality) if proxy or namespace or locality else None
        return await endpoints.rows(self._parts, who, service, limit, after)

    async def changes(self, service: str, since: float, limit: int, after: str) -> views.ChangeList:
        return await self._history.changes(service, since, limit, after)

    async def change(self, number: str) -> views.ChangeView:
        return await self._history.change(number)

    async def notes(self, since: float, limit: int, after: str) -> views.NoteList:
        return await self._history.notes(since, limit, after)

    async def nacks(self, limit: int, after: str) -> views.NackList:
        return await changes.nacks(self._parts, self._discovery, limit, after)

    async def drains(self, limit: int, after: str) -> views.DrainList:
        return await drains.rows(self._parts.registry, limit, after)

    async def what_if(self, said: views.Supposition) -> views.WhatIfView:
        return await self._what_if.answer(said)

    async def explain(
        self, name: str, proxy: str, namespace: str, locality: str, endpoint: str
    ) -> views.ExplainView:
        who = await self._asking(proxy, namespace, locality)
        return await explain.explained(self._parts, who, name, endpoint)

    async def _asking(self, proxy: str, namespace: str, locality: str) -> Asking:
        return await asking(self._parts, self._discovery, proxy, namespace, locality)
