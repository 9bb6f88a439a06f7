"""What a page of the API may ask the running parts. Answers are values; nothing can be written through it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pilothouse.admin.api import views
from pilothouse.admin.api.events import Events
from pilothouse.admin.status import Questions, StreamsStatus


class Mistaken(ValueError):
    """A parameter with a value that cannot be. The text names the parameter."""


class Missing(Exception):
    """Nothing has the name that was asked for. `near` has similar names that something has."""

    def __init__(self, what: str, near: tuple[str, ...] = ()) -> None:
        self.near = near
        super().__init__(f"there is no {what}" + (f"; near: {', '.join(near)}" if near else ""))


class Departed(Missing):
    """What was asked for is not there any more. The text says since when, and why."""

    def __init__(self, text: str) -> None:
        self.near = ()
        Exception.__init__(self, text)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which resources to list: of one type or of all, the one with a name or all, and with their content."""

    type: str
    name: str
    content: bool
    limit: int
    after: str


class Unanswered(Exception):
    """It is not known now. The text says why, in one line."""


class Inquiry(Protocol):
    """Questions with arguments. A list has at most `limit` items, those after `after`, in a stable order.

    Raises Mistaken, Missing for a name that nothing has, and Unanswered.
    """

    @property
    def questions(self) -> Questions:
        """The questions without arguments."""

    async def standing(self) -> StreamsStatus:
        """All open streams, counted."""

    @property
    def events(self) -> Events:
        """What happens from now on, and what has happened just before."""

    async def states(self) -> tuple[dict[str, int], tuple[views.BehindView, ...]]:
        """How many streams are in each state, and the first that are behind."""

    async def ambiguous(self) -> tuple[str, ...]:
        """The first node ids that several Envoys state at once."""

    async def proxies(self, state: str, namespace: str, limit: int, after: str) -> views.ProxyList:
        """The streams by node, and those that have gone or are refused: in one state, in one namespace."""

    async def proxy(self, node: str) -> views.ProxyView:
        """One proxy. Raises Missing."""

    async def resources(self, node: str, wanted: Wanted) -> views.ResourceList:
        """What a proxy holds, by type and name. Raises Missing."""

    async def diff(self, node: str, wanted: Wanted) -> views.DiffView:
        """How what a proxy was sent differs from what it should have. Raises Missing."""

    async def would_get(self, node: Mapping[str, Any], wanted: Wanted) -> views.WouldGetView:
        """What a client would get whose node this is. The node is Envoy's message as JSON."""

    async def services(self, namespace: str, search: str, limit: int, after: str) -> views.ServiceList:
        """The services by name, of one namespace or of all, with a text in their names."""

    async def service(self, namespace: str, name: str) -> views.ServiceView:
        """One service. Raises Missing."""

    async def endpoints(  # noqa: PLR0913  (the parameters of the page)
        self, service: str, proxy: str, namespace: str, locality: str, limit: int, after: str
    ) -> views.EndpointList:
        """The endpoints of one service, or of all; for a client, if one is named. Raises Missing."""

    async def changes(self, service: str, since: float, limit: int, after: str) -> views.ChangeList:
        """The latest changes, the newest first: of one service, and since a time (see `parameters.ago`)."""

    async def change(self, number: str) -> views.ChangeView:
        """One change. Raises Missing."""

    async def notes(self, since: float, limit: int, after: str) -> views.NoteList:
        """What proxies, guards and operators did, the newest first, since a time (see `parameters.ago`)."""

    async def nacks(self, limit: int, after: str) -> views.NackList:
        """The rejections that are not over, by proxy."""

    async def drains(self, limit: int, after: str) -> views.DrainList:
        """The endpoints that an operator has taken out of service."""

    async def what_if(self, said: views.Supposition) -> views.WhatIfView:
        """What would change if manifests were applied, or their objects deleted."""

    async def explain(
        self, name: str, proxy: str, namespace: str, locality: str, endpoint: str
    ) -> views.ExplainView:
        """Where a name leads for a proxy, or for a client in a namespace and a place. Raises Missing."""
