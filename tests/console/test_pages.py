"""The console in a real browser: it shows what the control plane knows, at once and to everybody."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from pilothouse.encoding.types import ResourceType

from ..operator.plane import CART, service
from .conftest import HOSTILE, NARROW, TOKEN, barriers, excess_width

CLUSTER, ENDPOINTS = ResourceType.CLUSTER, ResourceType.ENDPOINTS
PAGES = (
    "#/",
    "#/map",
    "#/services",
    "#/services/shop/cart",
    "#/endpoints",
    "#/proxies",
    "#/proxies/web-7",
    "#/changes",
    "#/changes/1",
    "#/propagation",
    "#/notes",
    "#/explain?name=cart&proxy=web-7",
    "#/what-if",
    "#/sources",
    "#/holds",
    "#/drains",
    "#/nacks",
)


async def marked(page: Page) -> None:
    """Leave something in the page that does not outlive it."""
    await page.evaluate("window.marked = true")


async def is_marked(page: Page) -> bool:
    return bool(await page.evaluate("window.marked === true"))


async def test_the_overview_says_that_all_is_well_and_how_much_there_is(look, web_7) -> None:
    page = await look()
    await expect(page.get_by_text("Nothing needs attention.")).to_be_visible()
    await expect(page.get_by_role("link", name="Services 1").locator(".figure")).to_have_text("1")
    await expect(page.get_by_role("link", name="Endpoints 2").locator(".figure")).to_have_text("2")
    await expect(page.get_by_role("link", name="Proxies 1")).to_contain_text("1 SYNCED")
    await expect(page).to_have_title("Overview · Pilothouse")


async def test_a_changed_manifest_changes_the_row_without_a_reload(look, plane) -> None:
    page = await look("#/services")
    row = page.locator("tr", has_text="shop/cart")
    await expect(row).to_contain_text("2/2")
    await expect(page.get_by_text("live", exact=True)).to_be_visible()
    await marked(page)
    plane.write("cart.json", service("cart", "10.1.7.8", "10.1.7.9", "10.1.7.10", not_ready=("10.1.7.8",)))
    await expect(row).to_contain_text("2/3")
    await expect(row).to_contain_text("partly ready")
    plane.write("pay.json", service("payments", "10.1.8.1"))
    await expect(page.locator("tr", has_text="shop/payments")).to_be_visible()
    assert await is_marked(page)


async def test_without_an_event_stream_the_pages_ask_again_by_themselves(look, plane) -> None:
    async def full(route: Route) -> None:
        await route.fulfill(status=503, json={"error": "there are 16 readers already"})

    page = await look("#/services", without=("**/api/v1/events", full), expected=("503",))
    await expect(page.get_by_text("polling", exact=True)).to_be_visible()
    row = page.locator("tr", has_text="shop/cart")
    await expect(row).to_contain_text("2/2")
    plane.write("cart.json", service("cart", "10.1.7.8"))
    await expect(row).to_contain_text("1/1")


async def test_a_service_page_has_endpoints_by_zone_with_reasons_and_its_history(look, plane) -> None:
    zones: dict[str, Any] = {"10.1.7.8": {"zone": "b"}, "10.1.7.9": {"zone": "a"}}
    page = await look("#/services/shop/cart")
    plane.write("cart.json", service("cart", "10.1.7.8", "10.1.7.9", not_ready=("10.1.7.9",), **zones))
    await expect(page.get_by_label("Endpoints by zone").locator("li").first).to_contain_text("0 of 1 called")
    row = page.locator("tr", has_text="10.1.7.9:8080")
    await expect(row).to_contain_text("no")
    await expect(row).to_contain_text("not-ready: the endpoint is not ready")
    await expect(page.get_by_label("History").locator("li").first).to_contain_text("cart")


@pytest.mark.parametrize("address", ["100.127.127.111", "fd00:1111:2222:3333:4444:5555:6666:7777"])
async def test_an_address_is_never_cut(look, plane, address) -> None:
    plane.write(
        "cart.json",
        service("cart", address)
        .replace('"IPv4"', '"IPv6"' if ":" in address else '"IPv4"')
        .replace("8080", "28080"),
    )
    page = await look("#/services/shop/cart", viewport={"width": 1280, "height": 800})
    link = page.get_by_label("Endpoints", exact=True).get_by_role("link", name=address)
    await expect(link).to_contain_text("28080")
    assert await link.evaluate("(link) => link.scrollWidth <= link.clientWidth")
    assert await link.evaluate("(link) => link.closest('td').scrollWidth <= link.closest('td').clientWidth")
    assert await excess_width(page) == [0, 0]


async def test_a_service_that_is_unknown_leads_to_one_that_is_like_it(look) -> None:
    page = await look("#/services/shop/carte", expected=("404",))
    await page.get_by_role("link", name="shop/cart").click()
    await expect(page.get_by_role("heading", name="shop/cart", exact=True)).to_be_visible()


async def test_a_proxy_appears_and_goes_without_a_reload(look, client) -> None:
    page = await look("#/proxies")
    await expect(page.get_by_text("No proxy is connected")).to_be_visible()
    await marked(page)
    stream = await client("web-9")
    await stream.ask(ENDPOINTS, CART)
    await stream.names()
    row = page.locator("tr", has_text="web-9")
    await expect(row).to_contain_text("SYNCED")
    stream.call.cancel()
    await expect(row).to_contain_text("GONE")
    await page.get_by_role("link", name="Overview").click()
    tile = page.get_by_role("link", name="Proxies 0")
    await expect(tile).to_contain_text("1 GONE")  # which is not counted
    assert await is_marked(page)


async def test_a_proxy_page_has_its_sync_by_type_and_what_it_was_sent(look, plane, web_7) -> None:
    page = await look("#/proxies/web-7")
    row = page.get_by_label("Sync by type").locator("tr", has_text="EDS")
    await expect(row).to_contain_text("SYNCED")
    await expect(row).to_contain_text("the same")
    [change] = plane.get("changes", limit="1")["items"]
    await expect(row.get_by_role("link", name=str(change["number"]))).to_have_count(2)
    plane.write("cart.json", service("cart", "10.1.7.8"))
    await expect(row).to_contain_text("1 change, ")
    await page.get_by_label("Resources").get_by_role("link", name=CART).click()
    found = page.get_by_role("dialog")
    await expect(found.locator("pre")).to_contain_text('"address": "10.1.7.8"')
    await expect(found.get_by_role("link", name="shop/cart")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(found).to_have_count(0)


async def test_a_proxy_that_is_refused_is_shown_with_the_reason_until_it_is_accepted(look, client) -> None:
    page = await look("#/proxies")
    await expect(page.get_by_text("No proxy is connected")).to_be_visible()
    refused = await client("web-9")
    await refused.ask("")
    await refused.ended()
    row = page.locator("tr", has_text="web-9")
    await expect(row).to_contain_text("REFUSED")
    await expect(row).to_contain_text("type_url")
    await page.get_by_role("link", name="web-9").click()
    await expect(page.get_by_label("Refused", exact=True)).to_contain_text(
        "is required on an aggregated stream"
    )
    await page.go_back()
    stream = await client("web-9")
    await stream.ask(ENDPOINTS, CART)
    await stream.names()
    await expect(row).to_have_count(1)
    await expect(row).to_contain_text("SYNCED")


async def test_a_rejection_is_shown_with_its_text_its_service_and_its_place(look, plane, client) -> None:
    stream = await client("web-7")
    await stream.ask(CLUSTER)
    text = f"Error adding/updating cluster(s) {CART}: <b>no such thing</b>"
    await stream.accept(await stream.read(), error=text)
    page = await look("#/")
    concern = page.get_by_label("What needs attention").get_by_role("link", name="web-7")
    await expect(concern).to_contain_text("rejects CDS")  # before its text is there, it leads to the proxy
    await concern.click()
    found = page.locator(".nacks li")
    await expect(found).to_contain_text(text)
    await expect(found).to_contain_text(str(plane.manifests / "cart.json"))
    await found.get_by_role("link", name="web-7").click()
    await expect(page.get_by_label("Sync by type")).to_contain_text("NACKED")


async def test_a_node_id_that_is_markup_is_a_text(look, client, plane) -> None:
    stream = await client(HOSTILE)
    await stream.ask(ENDPOINTS, CART)
    await stream.names()
    page = await look("#/proxies")
    await page.get_by_role("link", name=HOSTILE).click()
    await expect(page.get_by_role("heading", name=HOSTILE)).to_be_visible()
    await expect(page.get_by_label("Resources")).to_contain_text(CART)
    await page.get_by_role("link", name="Map").click()
    await page.locator(f"[aria-label={json.dumps(HOSTILE + ', SYNCED')}]").click()
    await expect(page.locator(".inspector")).to_contain_text(HOSTILE)
    assert await page.locator("main img").count() == 0


async def test_an_annotation_that_is_markup_is_a_text_where_it_is_warned_of_and_where_it_is_supposed(
    look, plane
) -> None:
    hostile = service("cart", "10.1.7.8", annotations={"pilothouse.dev/weight": HOSTILE, HOSTILE: HOSTILE})
    plane.write("cart.json", hostile)
    page = await look("#/sources")
    await expect(page.get_by_label("files")).to_contain_text("<img src=x onerror")
    await page.get_by_role("link", name="What if").click()
    await page.get_by_label("Manifests").fill(hostile)
    await page.get_by_role("button", name="Work it out").click()
    await expect(page.get_by_role("region", name="Warnings")).to_contain_text("<img src=x onerror")
    for address in ("#/", "#/services/shop/cart", "#/changes", "#/explain?name=cart"):
        await page.goto(f"http://{plane.admin}/console/{address}")
        await expect(page.locator("main")).to_contain_text("cart")
        await expect(page.locator(".loading")).to_have_count(0)
        assert await page.locator("main img").count() == 0


async def test_the_search_says_where_a_name_leads_and_where_it_ends(look, web_7) -> None:
    page = await look("#/explain?proxy=web-7", expected=("404",))
    await page.get_by_label("Name", exact=True).fill("cart")
    await page.get_by_role("button", name="Explain").click()
    await expect(page.locator(".verdict")).to_contain_text(
        "cart leads to shop/cart, called by proxy web-7 in shop."
    )
    await expect(page.locator("tr", has_text="10.1.7.8:8080")).to_contain_text("50 %")
    await expect(page.locator(".lines li", has_text="EDS")).to_contain_text("acknowledged")
    await page.keyboard.press("Escape")
    await page.get_by_role("searchbox", name="Explain a name").fill("carte.shop")
    await page.keyboard.press("Enter")
    await expect(page.locator(".verdict")).to_contain_text("leads nowhere")
    await expect(page.get_by_text("no-such-service")).to_be_visible()
    await page.get_by_role("link", name="shop/cart").click()
    await expect(page.locator(".verdict")).to_contain_text("leads to")


async def test_a_change_is_traced_to_who_has_not_answered(look, plane, client) -> None:
    quick, slow = await client("web-1"), await client("web-2")
    for stream in (quick, slow):
        await stream.ask(ENDPOINTS, CART)
        await stream.names()
    page = await look("#/changes")
    plane.write("cart.json", service("cart", "10.1.7.8"))
    await quick.names()
    late = await slow.read()
    entry = page.locator(".feed li").first
    await expect(entry).to_contain_text("10.1.7.9 removed")
    await expect(entry).to_contain_text("1 outstanding")
    await entry.get_by_role("link", name="Change").click()
    await expect(page.locator(".nodes")).to_contain_text("web-2")
    await slow.accept(late)
    await expect(page.get_by_text("Answered by all")).to_be_visible()
    await page.get_by_role("link", name="Propagation").click()
    await expect(page.locator(".chart canvas")).to_be_visible()
    await expect(page.get_by_label("Source files, since the start")).to_contain_text("Half of them within")


async def test_a_hold_is_released_with_a_reason_and_a_token(look, doubting) -> None:
    page = await look("#/holds", doubting, expected=("401", "ERR_"))
    await expect(page.get_by_text("No loss is held")).to_be_visible()
    for file in doubting.manifests.glob("*.json"):
        file.unlink()
    await expect(page.get_by_label("files")).to_contain_text("shop/s1")
    await page.get_by_role("button", name="Release").click()
    await page.get_by_label("Reason").fill("moved away")
    await page.get_by_role("dialog").get_by_role("button", name="Release").click()
    await page.get_by_role("textbox", name="Token").fill(TOKEN)
    await page.get_by_role("button", name="Use it").click()
    await expect(page.get_by_role("dialog")).to_contain_text("alice")
    await page.get_by_role("button", name="Close").click()
    await expect(page.get_by_text("No loss is held")).to_be_visible()
    assert doubting.get("status")["counts"]["services"] == 0
    assert TOKEN not in await page.evaluate("JSON.stringify(localStorage) + document.cookie + location.href")


async def test_an_endpoint_is_drained_and_undrained(look, doubting) -> None:
    doubting.write("cart.json", service("cart", "10.1.7.8", "10.1.7.9"))
    page = await look("#/services/shop/cart", doubting, expected=("401", "409", "ERR_"))
    row = page.locator("tr", has_text="10.1.7.9:8080")
    await row.get_by_role("button", name="Drain").click()
    await page.get_by_label("Reason").fill("a new disk")
    await page.get_by_role("dialog").get_by_role("button", name="Drain").click()
    await page.get_by_role("textbox", name="Token").fill(TOKEN)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_contain_text("It is out of service until 20")
    await page.get_by_role("button", name="Close").click()
    await expect(row).to_contain_text("drained by an operator")
    await page.get_by_role("button", name="Drain 10.1.7.8:8080", exact=True).click()
    await page.get_by_label("Reason").fill("too much")
    await page.get_by_role("dialog").get_by_role("button", name="Drain").click()
    await expect(page.get_by_role("dialog").get_by_role("alert")).to_be_visible()  # it is the last one
    await page.keyboard.press("Escape")
    await row.get_by_role("button", name="Undrain").click()
    await page.get_by_label("Reason").fill("it is there")
    await page.get_by_role("dialog").get_by_role("button", name="Undrain").click()
    await expect(page.get_by_role("dialog")).to_contain_text("in service again")
    assert not doubting.get("drains")["items"]


async def test_a_refusal_is_told_in_the_words_of_the_control_plane(look, doubting) -> None:
    async def refuse(route: Route) -> None:
        await route.fulfill(status=401, json={"error": "Authorization: a bearer token is needed"})

    page = await look("#/sources", doubting, expected=("401", "ERR_"))
    await page.route("**/api/v1/**", refuse)
    await page.goto("about:blank")
    await page.go_back()
    await expect(page.get_by_role("alert")).to_contain_text("a bearer token is needed")
    await page.unroute("**/api/v1/**")
    await page.get_by_role("button", name="Enter a token").click()
    await page.get_by_role("textbox", name="Token").fill(TOKEN)
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("files")).to_be_visible()


async def test_if_the_control_plane_is_gone_what_was_known_stays_and_says_so(look, plane) -> None:
    page = await look("#/services", expected=("ERR_", "Failed to load"))
    await expect(page.locator("tr", has_text="shop/cart")).to_be_visible()
    plane.stop()
    await expect(
        page.get_by_text("The control plane does not answer. This is what was known before.")
    ).to_be_visible()
    await expect(page.locator("tr", has_text="shop/cart")).to_be_visible()
    await expect(page.get_by_role("status").get_by_text("not reachable")).to_be_visible()


async def test_all_of_it_can_be_reached_with_the_keyboard(look, plane) -> None:
    plane.write("pay.json", service("payments", "10.1.8.1"))
    page = await look("#/services")
    await expect(page.locator("tr", has_text="shop/payments")).to_be_visible()
    focused = page.locator(":focus")
    await page.keyboard.press("Tab")
    await expect(focused).to_have_text("Skip to the content")
    await page.keyboard.press("Enter")
    await expect(page.locator("main:focus")).to_be_visible()
    for _ in range(4):  # two views, the search, and the first row
        await page.keyboard.press("Tab")
    await expect(focused).to_have_text("shop/cart")
    await page.keyboard.press("ArrowDown")
    await expect(focused).to_have_text("shop/payments")
    await page.keyboard.press("Enter")
    await expect(page.locator("h1:focus")).to_have_text("shop/payments")
    await page.keyboard.press("/")
    await page.keyboard.type("cart.shop")
    await page.keyboard.press("Enter")
    await expect(page.locator(".verdict")).to_contain_text("leads to shop/cart")


async def test_the_theme_is_that_of_the_system_until_one_is_chosen(look) -> None:
    page = await look(color_scheme="dark")
    colour = "getComputedStyle(document.body).backgroundColor"
    dark = await page.evaluate(colour)
    await page.get_by_role("button", name="Use light colours").click()
    assert await page.evaluate(colour) != dark
    await page.reload()
    await expect(page.get_by_role("button", name="Use dark colours")).to_be_visible()
    assert await page.evaluate(colour) != dark


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_is_accessible(look, plane, web_7, scheme) -> None:
    plane.write("odd.json", service("odd", "10.1.8.1", "10.1.8.2", not_ready=("10.1.8.1",), port="web"))
    page = await look(color_scheme=scheme)
    for address in PAGES:
        await page.goto(f"http://{plane.admin}/console/{address}")
        await expect(page.locator("h1")).to_be_visible()
        await expect(page.locator(".loading")).to_have_count(0)
        assert await barriers(page) == [], address


async def test_no_page_is_wider_than_a_phone(look, plane, web_7) -> None:
    name = "a-name-of-63-characters-which-is-as-long-as-a-name-may-be-so-63"
    plane.write("long.json", service(name, "10.1.8.1"))
    page = await look(viewport=NARROW)
    for address in (*PAGES, f"#/services/shop/{name}"):
        await page.goto(f"http://{plane.admin}/console/{address}")
        await expect(page.locator("h1")).to_be_visible()
        await expect(page.locator(".loading")).to_have_count(0)
        await expect(page.locator("nav [aria-current]")).to_be_in_viewport()
        assert await excess_width(page) == [0, 0], address
