"""The running parts as the API may ask them."""

from __future__ import annotations

from collections.abc import Callable

from pilothouse.admin.api import views
from pilothouse.admin.reading import proxies
from pilothouse.admin.status import Questions
from pilothouse.server.discovery import Discovery


class Reader:
    """Answers from the parts as they are now. It keeps nothing, and returns values."""

    def __init__(self, questions: Callable[[], Questions], discovery: Discovery) -> None:
        self._questions = questions
        self._discovery = discovery

    @property
    def questions(self) -> Questions:
        return self._questions()

    async def states(self) -> tuple[dict[str, int], tuple[views.BehindView, ...]]:
        return await proxies.states(self._discovery)

    async def proxies(self, limit: int, after: str) -> views.ProxyList:
        return proxies.rows(self._discovery.roster, limit, after)

    async def proxy(self, node: str) -> views.ProxyView:
        return await proxies.proxy(self._discovery.roster, node)

    async def resources(self, node: str, type: str, limit: int, after: str) -> views.ResourceList:
        return await proxies.resources(self._discovery.roster, node, type, limit, after)
