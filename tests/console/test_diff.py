"""How a proxy differs from what it should have, as its page shows it."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from pilothouse.encoding.types import ResourceType

from ..operator.plane import CART, service
from .conftest import HOSTILE, NARROW, barriers, excess_width

ENDPOINTS = ResourceType.ENDPOINTS
NOTHING = "Nothing differs: this proxy has acknowledged everything"


async def test_the_lines_that_differ_have_signs_and_go_when_the_proxy_has_them(look, plane, web_7) -> None:
    page = await look("#/proxies/web-7")
    diff = page.get_by_role("region", name="Diff")
    await expect(diff.get_by_text(NOTHING)).to_be_visible()
    plane.write("cart.json", service("cart", "10.1.7.8"))
    response = await web_7.read()  # and does not answer
    await expect(diff.get_by_role("status")).to_have_text("1 resource differs: 1 unanswered")
    plane.write("cart.json", service("cart", "10.1.7.8", "10.1.7.7"))
    await expect(diff.get_by_role("status")).to_have_text("1 resource differs: 1 older")
    await diff.locator("summary").focus()
    await page.keyboard.press("Enter")
    await expect(diff.locator("ins", has_text="10.1.7.7")).to_contain_text("+ ")
    await expect(diff.locator(".line", has_text="10.1.7.8")).to_have_count(1)
    await expect(diff.get_by_role("link", name="shop/cart")).to_be_visible()
    plane.write("cart.json", service("cart", "10.1.7.7"))
    await expect(diff.locator("del", has_text="10.1.7.8")).to_contain_text("- ")
    await web_7.accept(response)
    await web_7.names()
    await expect(diff.get_by_text(NOTHING)).to_be_visible()


async def test_a_rejected_resource_says_so_and_leads_to_its_content(look, plane, client) -> None:
    stream = await client(HOSTILE)
    await stream.ask(ENDPOINTS, CART)
    await stream.accept(await stream.read(), error=f"no such thing: {HOSTILE}")
    page = await look("#/proxies")
    await page.get_by_role("link", name=HOSTILE).click()
    diff = page.get_by_role("region", name="Diff")
    await expect(diff.get_by_role("status")).to_have_text("1 resource differs: 1 rejected")
    await diff.locator("summary").click()
    await expect(diff).to_contain_text("It was sent the right version, and has rejected it.")
    await diff.get_by_role("link", name="Show its content").click()
    await expect(page.get_by_role("dialog")).to_contain_text("10.1.7.8")
    await expect(page.locator("main img")).to_have_count(0)


async def test_a_difference_of_thousands_of_lines_is_cut(look, plane, web_7) -> None:
    plane.write("cart.json", service("cart", "10.1.7.8"))
    await web_7.read()
    many = [f"10.3.{number // 250}.{number % 250 + 1}" for number in range(600)]
    plane.write("cart.json", service("cart", *many))
    page = await look("#/proxies/web-7")
    diff = page.get_by_role("region", name="Diff")
    await expect(diff.get_by_role("status")).to_contain_text("1 older")
    await diff.locator("summary").click()
    await expect(diff.get_by_text("lines added,")).to_be_visible()
    await expect(diff.locator(".line")).to_have_count(400)
    await expect(diff.get_by_text("more lines")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_an_open_difference_is_accessible_also_on_a_phone(look, plane, web_7, scheme) -> None:
    plane.write("cart.json", service("cart", "10.1.7.8"))
    await web_7.read()
    plane.write("cart.json", service("cart", "10.1.7.7"))
    page = await look("#/proxies/web-7", color_scheme=scheme, viewport=NARROW)
    await expect(page.get_by_role("region", name="Diff").get_by_role("status")).to_contain_text("1 older")
    await page.locator("summary").click()
    await expect(page.locator("ins", has_text="10.1.7.7")).to_be_visible()
    assert await barriers(page) == []
    assert await excess_width(page) == [0, 0]
