"""What a page of the API may ask the running parts. Answers are values; nothing can be written through it."""

from __future__ import annotations

from typing import Protocol

from pilothouse.admin.api.views import (
    BehindView,
    ProxyList,
    ProxyView,
    ResourceList,
)
from pilothouse.admin.status import Questions


class Mistaken(ValueError):
    """A parameter with a value that cannot be. The text names the parameter."""


class Missing(Exception):
    """Nothing has the name that was asked for. `near` has similar names that something has."""

    def __init__(self, what: str, near: tuple[str, ...] = ()) -> None:
        self.near = near
        super().__init__(f"there is no {what}" + (f"; near: {', '.join(near)}" if near else ""))


class Inquiry(Protocol):
    """Questions with arguments. A list has at most `limit` items, those after `after`, in a stable order.

    Raises Mistaken, and Missing for a name that nothing has.
    """

    @property
    def questions(self) -> Questions:
        """The questions without arguments."""

    async def states(self) -> tuple[dict[str, int], tuple[BehindView, ...]]:
        """How many streams are in each state, and the first that are behind."""

    async def proxies(self, limit: int, after: str) -> ProxyList:
        """The streams by node, and those that have gone."""

    async def proxy(self, node: str) -> ProxyView:
        """One proxy. Raises Missing."""

    async def resources(self, node: str, type: str, limit: int, after: str) -> ResourceList:
        """What a proxy holds, by type and name; of one type, or of all if `type` is empty. Raises Missing."""
