"""Names that users of Istio try lead to the pages that answer."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("asked", "page"),
    [
        ("syncz", "/api/v1/proxies"),
        ("syncz?proxyID=web-7", "/api/v1/proxies/web-7"),
        ("adsz?proxyID=web-7", "/api/v1/proxies/web-7"),
        ("config_dump?proxyID=web-7.shop", "/api/v1/proxies/web-7.shop/resources"),
        ("config_dump?proxyID=a%2Fb%20%C3%A9%3F%23", "/api/v1/proxies/a%2Fb%20%C3%A9%3F%23/resources"),
        ("cdsz?proxyID=web-7", "/api/v1/proxies/web-7/resources?type=CDS"),
        ("edsz?proxyID=web-7", "/api/v1/proxies/web-7/resources?type=EDS"),
        ("edsz", "/api/v1/endpoints"),
        ("endpointz", "/api/v1/endpoints"),
        ("registryz", "/api/v1/services"),
    ],
)
async def test_a_name_leads_to_the_page_that_answers(ask, busy, asked, page) -> None:
    async with ask(busy) as client:
        answer = await client.get(f"/debug/{asked}")
    assert (answer.status_code, answer.headers["location"]) == (307, page)


async def test_other_names_are_not_there(ask, busy) -> None:
    async with ask(busy) as client:
        assert (await client.get("/debug/pprof")).status_code == 404
        assert (await client.post("/debug/syncz")).status_code == 405
