"""The trace of a change: how long each proxy took, and what there was before and after."""

from __future__ import annotations

import asyncio

from playwright.async_api import expect

from pilothouse.encoding.types import ResourceType

from ..operator.plane import service, synced

CLUSTER, ENDPOINTS = ResourceType.CLUSTER, ResourceType.ENDPOINTS


async def test_each_step_has_its_time_and_the_slowest_proxy_is_first(look, plane, client) -> None:
    quick, slow = await synced(client, "web-1"), await synced(client, "web-2")
    plane.write("cart.json", service("cart", "10.1.7.8"))
    await quick.names()
    late = await slow.read()
    page = await look("#/changes")
    await page.locator(".feed li").first.get_by_role("link", name="Change").click()
    steps = page.get_by_label("What has happened to it").get_by_role("listitem")
    await expect(steps.nth(0)).to_contain_text("The source files hears of it")
    await expect(steps.nth(1)).to_contain_text("The registry notes it: 1 service")
    await expect(steps.nth(2)).to_contain_text("Published")
    await expect(steps.nth(3)).to_contain_text("Waiting for answers")
    rows = page.get_by_label("Times of the proxies").locator("tbody tr")
    await expect(rows).to_have_count(1)
    await slow.accept(late)
    await expect(rows).to_have_count(2)
    await expect(rows.nth(0)).to_contain_text("web-2")
    await expect(rows.nth(1)).to_contain_text("web-1")
    await expect(rows.nth(0)).to_contain_text("acknowledged")


async def test_the_times_of_many_proxies_are_cut_and_counted(look, plane, client) -> None:
    streams = await asyncio.gather(*(synced(client, f"web-{number}") for number in range(14)))
    plane.write("cart.json", service("cart", "10.1.7.8"))
    await asyncio.gather(*(each.names() for each in streams))
    page = await look("#/changes")
    await page.locator(".feed li").first.get_by_role("link", name="Change").click()
    times = page.get_by_role("region", name="How long each proxy took")
    await expect(times.locator("tbody tr")).to_have_count(10)
    await expect(times).to_contain_text("and 4 more, which took no longer")
    await times.get_by_role("button", name="Show the slowest 14").click()
    await expect(times.locator("tbody tr")).to_have_count(14)


async def test_what_a_change_did_is_shown_before_and_after(look, plane) -> None:
    plane.write(
        "cart.json",
        service("cart", "10.1.7.8", "10.1.7.10", not_ready=("10.1.7.8",)).replace(
            '"port": 80\n', '"port": 81\n'
        ),
    )
    page = await look("#/changes")
    await page.locator(".feed li").first.get_by_role("link", name="Change").click()
    said = page.get_by_role("region", name="What has changed")
    await expect(said).to_contain_text("2 before, 2 after")
    await expect(said.locator("del", has_text="10.1.7.9")).to_have_text("- 10.1.7.9")
    await expect(said.locator("ins", has_text="10.1.7.10")).to_have_text("+ 10.1.7.10")
    await expect(said.get_by_text("± 10.1.7.8")).to_be_visible()
    await expect(said.locator("del", has_text="number=80")).to_be_visible()
    await expect(said.locator("ins", has_text="number=81")).to_be_visible()


async def test_a_change_that_concerned_nobody_is_called_as_the_commands_call_it(look, plane) -> None:
    plane.write("cart.json", service("cart", "10.1.7.8"))
    page = await look("#/changes")
    await expect(page.locator(".feed li").first).to_contain_text("no proxy was there for it")
    assert "no proxy was there for it" in plane.run("changes", "shop/cart")
