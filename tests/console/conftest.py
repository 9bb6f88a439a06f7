"""A browser that looks at the console of a running control plane, and that forgives nothing."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route, async_playwright, expect

from ..admin.conftest import ask  # noqa: F401  (a fixture)
from ..operator.conftest import client, plane  # noqa: F401  (fixtures)
from ..operator.plane import Plane

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NARROW = {"width": 390, "height": 844}

#: A machine that is busy with other tests needs more than the usual 5 s.
expect.set_options(timeout=20_000)

Open = Callable[..., Awaitable[Page]]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("needs the Debian package chromium")
    async with async_playwright() as playwright:
        found = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        await found.close()


@pytest.fixture
async def look(browser: Browser, plane) -> AsyncIterator[Open]:  # noqa: F811
    """Opens a page of the console: `page = await look("#/services")`.

    The test fails if the page asks another origin for anything, or if it reports an error. `expected` has
    parts of errors that are meant to happen. `without` is an address and what answers in its place.
    """
    pages: list[Page] = []
    wrong: list[str] = []
    forgiven: list[str] = []

    async def opened(
        address: str = "",
        at: Plane = plane,
        expected: tuple[str, ...] = (),
        without: tuple[str, Callable[[Route], Awaitable[None]]] | None = None,
        **options: Any,
    ) -> Page:
        forgiven.extend(expected)
        context = await browser.new_context(**options)
        if without is not None:
            await context.route(*without)
        page = await context.new_page()
        pages.append(page)
        origin = f"http://{at.admin}/"

        def asked(url: str) -> None:
            if not url.startswith(origin):
                wrong.append(f"asked {url}")

        def said(kind: str, text: str, url: str) -> None:
            if kind in ("error", "warning"):
                wrong.append(f"{kind}: {text} {url}")

        page.on("request", lambda request: asked(request.url))
        page.on("console", lambda each: said(each.type, each.text, each.location.get("url", "")))
        page.on("pageerror", lambda error: wrong.append(f"not caught: {error}"))
        page.on("dialog", lambda _: wrong.append("a text of a client ran as a script"))
        await page.goto(f"{origin}console/{address}")
        return page

    yield opened
    for page in pages:
        await page.context.close()
    assert [each for each in wrong if not any(part in each for part in forgiven)] == []
