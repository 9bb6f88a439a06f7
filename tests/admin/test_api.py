"""The API without a network: what fits the schema, what a mistake is answered with, and what costs little."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from pilothouse.admin.api.pages import PAGES, PREFIX
from pilothouse.admin.http import admin
from pilothouse.admin.reading.reader import Reader
from pilothouse.admin.reading.services import Parts
from pilothouse.admin.status import Status
from pilothouse.model.services import Service
from pilothouse.registry.merged import Registry
from pilothouse.server.discovery import Discovery
from pilothouse.serving.catalogue import Catalogue
from pilothouse.serving.census import Census

from .schema import misfits

LISTS = [page.path for page in PAGES if page.answer.__name__.endswith("List") and "{" not in page.path]


@pytest.fixture
async def api(busy: Status, make_service: Callable[..., Service]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API over a few services; what a source says is that of `busy`."""
    registry, catalogue = Registry(["files"]), Catalogue()
    registry.shard("files").replace([make_service(f"shop/s{number}", "10.0.0.1") for number in range(5)])
    catalogue.apply([*registry.services], registry.services)
    parts = Parts(registry, catalogue, Census(catalogue, registry.services))
    reader = Reader(lambda: busy, parts, Discovery(catalogue))
    transport = httpx.ASGITransport(app=admin(lambda: busy, lambda: reader))
    async with httpx.AsyncClient(
        transport=transport, base_url=f"http://admin{PREFIX}", verify=False
    ) as client:
        yield client


async def test_every_answer_fits_its_schema(api) -> None:
    document = (await api.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    for path in [page.path for page in PAGES if "{" not in page.path]:
        answer = await api.get(path)
        if answer.status_code == 400:  # it asks for something
            continue
        said = document["paths"][PREFIX + path]["get"]["responses"]["200"]
        schema = said["content"]["application/json"]["schema"]
        assert [*misfits(answer.json(), schema, schemas)] == []
    assert [*misfits({"items": [{}]}, {"$ref": "#/components/schemas/SourceList"}, schemas)]


def _nulls(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_nulls, value.values()))
    return any(map(_nulls, value)) if isinstance(value, list) else value is None


async def test_what_is_unknown_is_absent_and_times_are_text(api) -> None:
    found = (await api.get("/sources")).json()["items"]
    assert not _nulls(found)
    consul, files = found
    assert "last_report" not in consul
    assert files["last_report"] == "2023-11-14T22:15:00.000Z"
    [fault] = files["faults"]
    assert (fault["file"], fault["line"]) == ("shop.yaml", 7)


async def test_the_same_answer_is_not_sent_again(api) -> None:
    first = await api.get("/sources")
    again = await api.get("/sources", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = await api.get("/status", headers={"if-none-match": first.headers["etag"]})
    assert other.status_code == 200


@pytest.mark.parametrize("path", LISTS)
async def test_every_list_has_pages(api, path) -> None:
    whole = (await api.get(path)).json()["items"]
    found, after = [], {}
    for _ in range(len(whole) + 1):
        page = (await api.get(path, params={"limit": 1, **after})).json()
        found += page["items"]
        if "next" not in page:
            break
        after = {"after": page["next"]}
    assert found == whole


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("limit=0", "limit: must be a number from 1 to 1000, not '0'"),
        ("limit=1001", "limit: must be a number from 1 to 1000, not '1001'"),
        ("limit=x", "limit: must be a number from 1 to 1000, not 'x'"),
        ("limit=1&limit=2", "limit: is given twice"),
        ("sort=name", "sort: is not a parameter; known are limit, after"),
    ],
)
async def test_a_parameter_that_is_wrong_is_named(api, query, error) -> None:
    answer = await api.get(f"/sources?{query}")
    assert (answer.status_code, answer.json()) == (400, {"error": error})


async def test_a_page_without_parameters_takes_none(api) -> None:
    answer = await api.get("/status?limit=1")
    assert answer.json() == {"error": "limit: is not a parameter; this page has none"}
