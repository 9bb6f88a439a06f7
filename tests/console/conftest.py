"""A browser that looks at the console of a running control plane, and that forgives nothing."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route, async_playwright, expect

from ..admin.conftest import ask  # noqa: F401  (a fixture)
from ..authority import replace
from ..operator.conftest import client, client_of, plane  # noqa: F401  (fixtures)
from ..operator.plane import Plane, service, synced

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NARROW = {"width": 390, "height": 844}
TOKEN = "w" * 32
#: A text that runs a script if it is taken for markup, and leaves its place if it is taken for a path.
HOSTILE = "<img src=x onerror=alert(1)>\"'/../a b%2f"
AXE = Path(__file__).parent / "vendor/axe-core-4.14.1/axe.min.js"

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
async def look(browser: Browser, plane, client_of) -> AsyncIterator[Open]:  # noqa: F811
    """Opens a page of the console: `page = await look("#/services")`.

    Pages are closed before clients leave (`client_of`), because a page asks about a client until then.
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


@pytest.fixture
async def web_7(client: Callable[..., Any]) -> Any:  # noqa: F811
    """A proxy that has acknowledged the endpoints of `shop/cart`."""
    return await synced(client, "web-7")


@pytest.fixture
def doubting(tmp_path: Path) -> Iterator[Plane]:
    """A control plane with a dozen services that holds the loss of many at once, and takes orders."""
    (tmp_path / "doubting").mkdir()
    tokens = replace(tmp_path / "tokens", f"alice:{TOKEN}\n".encode())
    found = Plane(tmp_path / "doubting", "--admin-tokens", tokens, allow_empty=False)
    for number in range(12):
        found.write(f"s{number}.json", service(f"s{number}", f"10.2.0.{number + 1}"))
    try:
        found.start()
        yield found
    finally:
        found.stop()


async def barriers(page: Page) -> list[tuple[str, str]]:
    """What axe-core finds in a page that keeps people out: the rule, and the first element."""
    await page.evaluate(AXE.read_text() + "; null")
    found = await page.evaluate(
        "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
    )
    return [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]]


async def excess_width(page: Page) -> list[int]:
    """By how many pixels the page, and what is in it, are wider than the window."""
    measured = "[document.body, document.getElementById('content')].map(e => e.scrollWidth - e.clientWidth)"
    found: list[int] = await page.evaluate(measured)
    return found
