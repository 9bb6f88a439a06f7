"""What operators do in the console, and where it is noted."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from ..operator.plane import service
from .conftest import HOSTILE, NARROW, TOKEN, barriers, excess_width

REFUSED = ("401", "409", "ERR_")


async def say_who(page: Page) -> None:
    await page.get_by_role("textbox", name="Token").fill(TOKEN)
    await page.keyboard.press("Enter")


async def drain(page: Page) -> None:
    """Drain an address of all services, with the keyboard alone."""
    await page.get_by_role("button", name="Drain endpoints").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Addresses")).to_be_focused()
    await page.keyboard.type("10.1.7.9")
    for _ in range(4):  # the service, for how long, even the last one, the reason
        await page.keyboard.press("Tab")
    await page.keyboard.type(HOSTILE)
    await page.keyboard.press("Enter")
    await say_who(page)
    await expect(page.get_by_role("dialog")).to_contain_text("It is out of service until 20")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_an_endpoint_is_drained_in_all_services_and_undrained_and_both_are_noted(
    look, doubting
) -> None:
    doubting.write("cart.json", service("cart", "10.1.7.8", "10.1.7.9"))
    page = await look("#/drains", doubting, expected=REFUSED)
    await expect(page.get_by_text("No endpoint is drained")).to_be_visible()
    await drain(page)
    row = page.locator(".drain", has_text="10.1.7.9")
    await expect(row).to_contain_text("by alice")
    await expect(row).to_contain_text(HOSTILE)
    await expect(row).to_contain_text("found in shop/cart")
    await expect(row).to_contain_text("ends in 59m")
    await row.get_by_role("button", name="Undrain").click()
    await page.get_by_label("Reason").fill("the disk is new")
    await page.get_by_role("dialog").get_by_role("button", name="Undrain").click()
    await expect(page.get_by_role("dialog")).to_contain_text("in service again")
    await page.get_by_role("button", name="Close").click()
    await expect(page.get_by_text("No endpoint is drained")).to_be_visible()
    await page.get_by_role("link", name="Notes").click()
    notes = page.locator(".feed li")
    await expect(notes.nth(0)).to_contain_text("undrain: the disk is new")
    await expect(notes.nth(0)).to_contain_text("by alice")
    await expect(notes.nth(1)).to_contain_text(f"drain: {HOSTILE}")
    await expect(page.locator("main img")).to_have_count(0)


async def test_what_is_refused_stays_in_the_dialog_with_the_reason(look, doubting) -> None:
    page = await look("#/drains", doubting, expected=("400", *REFUSED))
    await page.get_by_role("button", name="Drain endpoints").click()
    await page.get_by_label("Addresses").fill("10.1.7.300")
    await page.get_by_label("Reason").fill("x")
    await page.get_by_role("dialog").get_by_role("button", name="Drain").click()
    await say_who(page)
    await expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("10.1.7.300")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_a_rejection_is_noted_as_it_happens_and_stays_when_it_is_over(look, plane, web_7) -> None:
    page = await look("#/notes")
    await expect(page.get_by_text("Nothing was noted yet")).to_be_visible()
    plane.write("cart.json", service("cart", "10.1.7.8"))
    await web_7.accept(await web_7.read(), error=f"no such thing: {HOSTILE}")
    note = page.locator(".feed li")
    await expect(note).to_contain_text(f"no such thing: {HOSTILE}")
    plane.write("cart.json", service("cart", "10.1.7.7"))
    await web_7.names()
    await page.get_by_role("button", name="Holds").click()
    await expect(page.get_by_text("Nothing like that was noted")).to_be_visible()
    await page.get_by_role("button", name="NACKs").click()
    await note.get_by_role("link", name="web-7").click()
    await expect(page.get_by_role("heading", name="web-7")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_drains_and_notes_are_accessible_also_on_a_phone(look, doubting, scheme) -> None:
    doubting.write("cart.json", service("cart", "10.1.7.8", "10.1.7.9"))
    page = await look("#/drains", doubting, expected=REFUSED, color_scheme=scheme, viewport=NARROW)
    await drain(page)
    for address in ("#/drains", "#/notes"):
        await page.goto(f"http://{doubting.admin}/console/{address}")
        await expect(page.locator("main")).to_contain_text("10.1.7.9")
        assert await barriers(page) == [], address
        assert await excess_width(page) == [0, 0], address
    await page.get_by_role("link", name="Drains").click()
    await page.get_by_role("button", name="Drain endpoints").click()
    assert await barriers(page) == []


async def test_a_service_of_which_nothing_is_called_needs_attention(look, plane) -> None:
    plane.write("odd.json", service("odd", "10.1.8.1", port="web"))
    page = await look()
    concern = page.get_by_label("What needs attention").get_by_role("link", name="shop/odd")
    await expect(concern).to_contain_text("none called")
    await concern.click()
    await expect(page.locator(".summary")).to_contain_text("1 of 1 endpoint ready, 0 called")
    await page.get_by_role("link", name="Services", exact=True).click()
    await expect(page.locator("tr", has_text="shop/odd")).to_contain_text("none called")
