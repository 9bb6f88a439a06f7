"""A page asks what it shows, and no answer costs a look at all services."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import httpx
import pytest

from pilothouse.admin.http import admin, ready_view
from pilothouse.admin.metrics import exposition
from pilothouse.admin.observe import Observed
from pilothouse.admin.status import Status, StreamsStatus
from pilothouse.model.services import Service, ServiceName
from pilothouse.registry.merged import Registry
from pilothouse.registry.supervise import SourceState
from pilothouse.server.discovery import Discovery
from pilothouse.serving.catalogue import Catalogue
from pilothouse.serving.census import Census
from pilothouse.serving.directory import Directory

from .conftest import unasked


class Asked:
    """Answers, and remembers what it was asked."""

    def __init__(self, answers: Status, asked: set[str]) -> None:
        self._answers, self._asked = answers, asked

    def __getattr__(self, question: str) -> Any:
        self._asked.add(question)
        return getattr(self._answers, question)


@pytest.mark.parametrize(
    ("page", "asked"),
    [
        ("/", {"version", "started_at"}),
        ("/healthz", set()),
        ("/readyz", {"draining", "sources", "quarantined", "certificates", "left_out"}),
    ],
)
async def test_a_page_asks_only_what_it_shows(busy: Status, page: str, asked: set[str]) -> None:
    seen: set[str] = set()
    transport = httpx.ASGITransport(app=admin(lambda: Asked(busy, seen), unasked))
    async with httpx.AsyncClient(transport=transport, base_url="http://admin") as client:
        await client.get(page)
    assert seen == asked


class Source:
    name = "files"
    faults = ()

    def __init__(self) -> None:
        self.asked = 0

    @property
    def left_out(self) -> dict[Any, int]:
        self.asked += 1
        return {}


class Counted(dict[ServiceName, Service]):
    """Can be counted, and not looked through."""

    def __iter__(self) -> Iterator[ServiceName]:
        raise AssertionError("a page looked at every service")

    values = items = keys = __iter__  # type: ignore[assignment]


def test_neither_a_scrape_nor_readiness_looks_at_every_service(
    make_service: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, catalogue = Registry(["files"]), Catalogue()
    registry.shard("files").replace(make_service(f"shop/s{number}", "10.0.0.1") for number in range(20))
    catalogue.apply([*registry.services], registry.services)
    source: Any = Source()
    discovery = Discovery(catalogue)
    discovery.listening = True
    parts = [SourceState(source)], registry, catalogue, discovery, Census(catalogue, {})

    def every(_: Directory) -> NoReturn:
        raise AssertionError("a page looked at every service")

    monkeypatch.setattr(Directory, "all", every)
    registry._services = Counted(registry._services)
    text = exposition(Observed(0.0, *parts), StreamsStatus()).decode()
    assert "pilothouse_services 20.0" in text
    assert 'pilothouse_endpoints{called="yes"} 20.0' in text
    assert 'pilothouse_resources{type="EDS"} 20.0' in text
    assert source.asked == 1
    assert ready_view(Observed(0.0, *parts))["ready"]
