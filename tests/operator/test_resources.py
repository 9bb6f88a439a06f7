"""What exactly a proxy has: names, versions, and what is in them."""

from __future__ import annotations

import json

import yaml

from pilothouse.encoding.types import ResourceType

from .plane import service

ENDPOINTS = ResourceType.ENDPOINTS
CART = "outbound|80||cart.shop.svc.cluster.local"


async def synced(client, node: str, *names: str):
    stream = await client(node)
    await stream.ask(ENDPOINTS, *(names or (CART,)))
    await stream.names()
    return stream


async def test_what_a_proxy_holds_is_listed_with_its_service_and_the_change_that_it_is_of(
    plane, client, eventually
) -> None:
    stream = await synced(client, "web-7")
    first = plane.get("changes", service="shop/cart")["items"][0]["number"]
    [row] = plane.get("proxies/web-7/resources")["items"]
    assert (row["type"], row["name"]) == ("EDS", CART)
    assert (row["services"], row["change"]) == (["shop/cart"], first)
    assert "content" not in row
    plane.write("cart.json", service("cart", "10.1.7.8"))
    await stream.names()
    [after] = plane.get("proxies/web-7/resources")["items"]
    assert after["change"] > first
    assert after["version"] != row["version"]
    head, line = plane.run("resources", "web-7").splitlines()
    assert head.split() == ["TYPE", "NAME", "VERSION", "CHANGE"]
    assert line.split() == ["EDS", CART, after["version"], str(after["change"])]
    assert plane.run("resources", "web-7", "eds", "-o", "wide").split()[-1] == "shop/cart"


async def test_the_content_of_a_resource_is_shown_by_name_and_for_programs(plane, client) -> None:
    await synced(client, "web-7")
    inside = json.loads(plane.run("resources", "web-7", "eds", CART))
    addresses = [
        each["endpoint"]["address"]["socket_address"]["address"]
        for each in inside["endpoints"][0]["lb_endpoints"]
    ]
    assert addresses == ["10.1.7.8", "10.1.7.9"]
    [found] = json.loads(plane.run("resources", "web-7", "-o", "json"))["items"]
    assert found["content"] == inside
    [found] = yaml.safe_load(plane.run("resources", "web-7", "EDS", CART, "-o", "yaml"))["items"]
    assert found["content"] == inside


async def test_a_page_with_large_contents_is_cut_and_none_is_lost(plane, client, eventually) -> None:
    addresses = [f"10.2.{number // 250}.{number % 250 + 1}" for number in range(900)]
    names = [f"outbound|80||big-{number:02}.shop.svc.cluster.local" for number in range(40)]
    for number in range(40):
        plane.write(f"big-{number:02}.json", service(f"big-{number:02}", *addresses))
    await eventually(lambda: plane.get("status")["counts"]["services"] == 41, 30)
    await synced(client, "web-7", *names)
    first = plane.get("proxies/web-7/resources", content="yes")
    assert 0 < len(first["items"]) < 40
    whole = json.loads(plane.run("resources", "web-7", "-o", "json"))["items"]
    assert [each["name"] for each in whole] == names
    assert all(len(each["content"]["endpoints"][0]["lb_endpoints"]) == 900 for each in whole)


async def test_a_mistake_is_one_line_that_names_it(plane, client) -> None:
    await synced(client, "web-7")
    asked = "proxies/web-7/resources"
    assert plane.get(asked, 400, type="XDS")["error"].startswith("type: must be one of CDS, EDS")
    assert plane.get(asked, 400, content="y")["error"] == "content: must be yes or no, not 'y'"
    nothing = plane.run("resources", "web-7", "cds", "x", status=2)
    assert nothing == f"pilothouse: {plane.admin}: web-7 has no CDS x\n"
    assert "there is no proxy web-8" in plane.run("resources", "web-8", status=2)


def test_every_form_of_output_has_the_same(plane) -> None:
    found = plane.get("services")
    assert json.loads(plane.run("services", "-o", "json")) == found
    assert yaml.safe_load(plane.run("services", "-o", "yaml")) == found
    narrow, wide = (plane.run("endpoints", "-o", form).splitlines() for form in ("table", "wide"))
    assert (
        wide[0].split()[:7]
        == narrow[0].split()
        == [
            "SERVICE",
            "ADDRESS",
            "STATE",
            "WEIGHT",
            "ZONE",
            "CALLED",
            "WHY",
        ]
    )
    assert wide[0].endswith("ON NODE  WORKLOAD")


async def test_what_a_proxy_has_brought_from_an_earlier_stream_is_known_if_it_is_what_is_served(
    plane, client
) -> None:
    first = await client("web-7", "DeltaAggregatedResources")
    await first.ask(ENDPOINTS, CART)
    [sent] = (await first.read()).resources
    first.call.cancel()
    again = await client("web-7", "DeltaAggregatedResources")
    await again.ask(
        ENDPOINTS, CART, "no-such", initial_resource_versions={CART: sent.version, "no-such": "0"}
    )
    await again.read()  # which says that there is no such thing
    [row] = plane.get("proxies/web-7/resources", content="yes", resource=CART)["items"]
    assert (row["version"], row["content"]["cluster_name"]) == (sent.version, CART)
    assert json.loads(plane.run("resources", "web-7", "eds", CART))["cluster_name"] == CART
