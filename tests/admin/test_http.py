"""The routes: what is there, and that nothing there can be written to."""

from __future__ import annotations

import httpx
import pytest

from pilothouse.admin.http import admin

from .conftest import asked, unasked

ROUTES = ["/", "/healthz", "/readyz", "/metrics", "/api/v1/openapi.json", "/console/"]


async def test_the_index_lists_every_page_and_says_who_answers(ask, busy) -> None:
    async with ask(busy) as client:
        body = (await client.get("/")).json()
        answers = {page: (await client.get(page)).status_code for page in body["pages"]}
    assert (body["name"], body["version"], body["started_at"]) == ("pilothouse", "1.2.3", 1_700_000_000.0)
    assert set(body["pages"]) == set(ROUTES) - {"/"}
    assert answers.pop("/readyz") == 503
    assert set(answers.values()) == {200}


async def test_healthz_answers_even_where_nothing_can_be_read() -> None:
    def read():
        raise AssertionError("a liveness probe looked at the running parts")

    transport = httpx.ASGITransport(app=admin(read, unasked))
    async with httpx.AsyncClient(transport=transport, base_url="http://admin", verify=False) as client:
        answer = await client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"alive": True})


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_a_method_that_could_write_is_refused(ask, busy, route, method) -> None:
    async with ask(busy) as client:
        answer = await client.request(method, route)
    assert (answer.status_code, answer.json()) == (405, {"error": "Method Not Allowed"})
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize("path", ["/nothing", "/readyz/", "/metrics/x", "//healthz", "/debug/nothing"])
async def test_a_wrong_path_is_a_404_in_json(ask, busy, path) -> None:
    async with ask(busy) as client:
        answer = await client.get(f"http://admin{path}")
    assert (answer.status_code, answer.json()) == (404, {"error": "Not Found"})


@pytest.mark.parametrize("route", ROUTES)
async def test_no_answer_may_be_read_by_a_page_of_another_origin(ask, busy, route) -> None:
    async with ask(busy) as client:
        answer = await client.get(route, headers={"origin": "http://elsewhere.example"})
    assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_every_request_sees_the_present(busy) -> None:
    seen = []

    def read():
        seen.append(busy)
        return busy

    transport = httpx.ASGITransport(app=admin(read, asked))
    async with httpx.AsyncClient(transport=transport, base_url="http://admin", verify=False) as client:
        assert not seen
        for count, route in enumerate(["/readyz", "/metrics", "/"], start=1):
            await client.get(route)
            assert len(seen) == count
