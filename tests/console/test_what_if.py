"""What manifests would change, asked in the console before they are applied."""

from __future__ import annotations

import json

import pytest
from playwright.async_api import Page, Route, expect

from pilothouse.encoding.types import ResourceType

from ..operator.plane import CART, service
from .conftest import HOSTILE, NARROW, barriers, excess_width

CLUSTER = ResourceType.CLUSTER


async def suppose(page: Page, text: str) -> None:
    await page.get_by_label("Manifests").fill(text)
    await page.get_by_role("button", name="Work it out").click()


async def test_a_pasted_manifest_says_which_resources_of_which_proxies_would_change(
    look, plane, web_7
) -> None:
    page = await look("#/what-if")
    await expect(page.get_by_text("Nothing is supposed yet")).to_be_visible()
    await expect(page.get_by_role("button", name="Work it out")).to_be_disabled()
    await suppose(page, service("cart", "10.1.7.8"))
    await expect(page.locator(".verdict")).to_contain_text(
        "No faults. 1 service would change in source files"
    )
    await expect(page.locator(".verdict")).to_contain_text("1 connected proxy would notice")
    await expect(page.get_by_label("Services that would change")).to_contain_text("10.1.7.9 removed")
    row = page.get_by_role("table", name="Resources that would change").locator("tr", has_text=CART)
    await expect(row).to_contain_text("changed")
    await expect(row).to_contain_text("EDS")
    await row.get_by_role("link", name="web-7").click()
    await expect(page.get_by_role("heading", name="web-7")).to_be_visible()
    await page.get_by_role("link", name="What if").click()
    await expect(page.locator(".verdict")).to_contain_text("No faults")  # nothing has to be entered again
    assert plane.get("services/shop/cart")["endpoints"]["total"] == 2, "nothing was applied"


async def test_a_fault_in_a_chosen_file_is_told_with_its_line(look) -> None:
    bad = service("cart", "10.1.7.8").replace('"port": 80\n', '"port": 70000\n')
    line = next(at for at, each in enumerate(bad.splitlines(), 1) if "70000" in each)
    page = await look("#/what-if")
    file = {"name": HOSTILE, "mimeType": "application/json", "buffer": bad.encode()}
    await page.get_by_label("Files", exact=True).set_input_files(files=[file])
    await page.get_by_role("button", name="Work it out").click()
    await expect(page.locator(".verdict")).to_contain_text("1 fault")
    faults = page.get_by_role("region", name="Faults")
    await expect(faults).to_contain_text(f":{line}")
    await expect(faults).to_contain_text("70000")
    await expect(page.locator("main img")).to_have_count(0)


async def test_what_proxies_would_lose_is_named_with_them(look, client) -> None:
    stream = await client("web-7")
    await stream.ask(CLUSTER)
    await stream.names()
    page = await look("#/what-if")
    await page.get_by_label("What if the objects were deleted").check()
    await suppose(page, service("cart"))
    gone = page.get_by_role("region", name="Gone")
    await expect(gone).to_contain_text("shop/cart")
    await expect(gone).to_contain_text("1 proxy would lose it: web-7")
    removed = page.get_by_role("table", name="Resources that would change").locator("tr", has_text="CDS")
    await expect(removed).to_contain_text("removed")


async def test_while_it_runs_it_says_so_and_can_be_stopped(look) -> None:
    async def never(_: Route) -> None:
        return None

    page = await look("#/what-if", without=("**/api/v1/what-if", never))
    await suppose(page, service("cart", "10.1.7.8"))
    await expect(page.get_by_text("Working it out.")).to_be_visible()
    await page.get_by_role("button", name="Stop").click()
    await expect(page.get_by_text("Nothing is supposed yet")).to_be_visible()
    await expect(page.get_by_label("Manifests")).to_have_value(service("cart", "10.1.7.8"))


async def test_a_refusal_is_told_and_can_be_tried_again(look) -> None:
    async def busy(route: Route) -> None:
        await route.fulfill(status=503, json={"error": "2 what-ifs are being worked out, which is the most"})

    page = await look("#/what-if", without=("**/api/v1/what-if", busy), expected=("503",))
    await suppose(page, service("cart", "10.1.7.8"))
    await expect(page.get_by_role("alert")).to_contain_text("2 what-ifs are being worked out")
    await page.context.unroute("**/api/v1/what-if")
    await page.get_by_role("button", name="Try again").click()
    await expect(page.locator(".verdict")).to_contain_text("No faults")


async def test_hundreds_of_resources_are_in_a_table_of_which_only_what_can_be_seen_is_there(look) -> None:
    items = [json.loads(service(f"s{number}", "10.4.0.1"))["items"] for number in range(150)]
    text = json.dumps(
        {"apiVersion": "v1", "kind": "List", "items": [each for pair in items for each in pair]}
    )
    page = await look("#/what-if")
    await suppose(page, text)
    services = page.get_by_role("region", name="Services that would change")
    await expect(services.get_by_role("listitem")).to_have_count(20)
    await expect(services).to_contain_text("and 130 more services")
    table = page.get_by_role("table", name="Resources that would change")
    await expect(table.locator("tbody tr")).not_to_have_count(0)
    assert await table.locator("tbody tr").count() < 100


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_its_answer_is_accessible_also_on_a_phone(look, plane, web_7, scheme) -> None:
    page = await look("#/what-if", color_scheme=scheme, viewport=NARROW)
    bad = service("odd", "10.1.8.1", port="web").replace('"port": 80\n', '"port": 70000\n')
    await suppose(page, f"{service('cart', '10.1.7.8')}\n---\n{bad}")
    await expect(page.get_by_role("table", name="Resources that would change")).to_be_visible()
    assert await barriers(page) == []
    assert await excess_width(page) == [0, 0]
