"""Why a service, or an endpoint of it, gets no traffic."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from .plane import service, synced


async def test_a_port_name_that_differs_is_the_reason_at_each_endpoint(plane, eventually) -> None:
    plane.write("pay.json", service("payments", "10.1.7.1", "10.1.7.2", port="web"))
    await eventually(lambda: plane.get("services", search="payments")["items"])
    rows = plane.get("endpoints", service="shop/payments")
    assert [(row["called"], [why["code"] for why in row["reasons"]]) for row in rows["items"]] == [
        ("no", ["port-name-mismatch"])
    ] * 2
    said = plane.run("endpoints", "shop/payments")
    assert "port-name-mismatch: the name of the slice's port differs" in said
    assert "port-name-mismatch" in plane.run("services")
    unserved = lambda: plane.get("status")["unserved"] == ["shop/payments"]  # noqa: E731
    await eventually(unserved)
    said = plane.run("status", status=1)
    assert "none is called: shop/payments: pilothouse endpoints shop/payments" in said
    detail = plane.get("services/shop/payments")
    assert {why["code"] for why in detail["left_out"]} == {"port-name-mismatch"}
    assert detail["place"].startswith(str(plane.manifests / "pay.json"))


async def test_an_endpoint_that_is_not_ready_is_not_called_and_the_others_are(plane, eventually) -> None:
    plane.write("cart.json", service("cart", "10.1.7.8", "10.1.7.9", not_ready=("10.1.7.9",)))
    called = lambda: {  # noqa: E731
        row["address"]: row["called"] for row in plane.get("endpoints", service="shop/cart")["items"]
    }
    await eventually(lambda: called() == {"10.1.7.8": "yes", "10.1.7.9": "no"})
    line = next(line for line in plane.run("endpoints", "shop/cart").splitlines() if "10.1.7.9" in line)
    assert "not ready" in line
    assert "not-ready: the endpoint is not ready" in line


async def test_services_are_listed_in_order_searched_and_paged(plane, eventually) -> None:
    for name in ("api", "billing", "web"):
        plane.write(f"{name}.json", service(name, "10.1.8.1", namespace="front"))
    whole = await eventually(lambda: (found := plane.get("services")["items"]) and len(found) == 4 and found)
    assert [f"{row['namespace']}/{row['name']}" for row in whole] == [
        "front/api",
        "front/billing",
        "front/web",
        "shop/cart",
    ]
    first = plane.get("services", limit="2", namespace="front")
    second = plane.get("services", limit="2", namespace="front", after=first["next"])
    assert [row["name"] for row in (*first["items"], *second["items"])] == ["api", "billing", "web"]
    assert [row["name"] for row in plane.get("services", search="shop/c")["items"]] == ["cart"]
    [cart] = [row for row in whole if row["name"] == "cart"]
    assert (cart["source"], cart["endpoints"], cart["ready"]) == ("files", 2, 2)
    assert cart["place"].startswith(str(plane.manifests / "cart.json"))
    rows, after = [], {}
    while True:
        page = plane.get("endpoints", limit="2", **after)
        rows += [(row["service"], row["address"]) for row in page["items"]]
        if "next" not in page:
            break
        after = {"after": page["next"]}
    assert rows == [
        ("front/api", "10.1.8.1"),
        ("front/billing", "10.1.8.1"),
        ("front/web", "10.1.8.1"),
        ("shop/cart", "10.1.7.8"),
        ("shop/cart", "10.1.7.9"),
    ]


def test_a_service_that_does_not_exist_is_answered_with_near_names(plane) -> None:
    found = plane.get("services/shop/carts", 404)
    assert found == {"error": "there is no service shop/carts; near: shop/cart", "near": ["shop/cart"]}
    assert "there is no service shop/carts" in plane.run("endpoints", "shop/carts", status=2)


def test_the_commands_print_json_for_programs(plane) -> None:
    found = json.loads(plane.run("services", "shop/cart", "-o", "json"))
    assert found["endpoints"] == {"total": 2, "ready": 2, "called": 2}
    assert found == plane.get("services/shop/cart")


async def test_the_endpoints_of_a_service_are_shown_as_one_proxy_calls_them(
    plane, client, eventually
) -> None:
    zones: dict[str, Any] = {"10.1.7.7": {"zone": "a"}, "10.1.7.8": {"zone": "b"}, "10.1.7.9": {"zone": "b"}}
    plane.write("cart.json", service("cart", *zones, not_ready=("10.1.7.9",), **zones))
    await eventually(lambda: len(plane.get("endpoints", service="shop/cart")["items"]) == 3)
    await synced(client, "web-7", locality={"zone": "a"})
    shares: Callable[..., dict[str, Any]] = lambda **client: {  # noqa: E731
        row["address"]: [(each["port"], each["share"], each.get("priority")) for each in row["shares"]]
        for row in plane.get("endpoints", service="shop/cart", **client)["items"]
    }
    expected: dict[str, Any] = {
        "10.1.7.7": [(80, 100.0, 0)],
        "10.1.7.8": [(80, 0.0, 1)],
        "10.1.7.9": [(80, 0.0, 1)],
    }
    await eventually(lambda: shares(proxy="web-7") == expected)
    assert shares(namespace="shop", locality="/a") == expected
    assert shares(locality="/b")["10.1.7.8"] == [(80, 70.0, 0)], "half of the zone is not ready"
    explained = plane.get("explain", name="cart", proxy="web-7")["clusters"][0]["endpoints"]
    assert [(each["share"], each.get("priority")) for each in explained] == [
        each[0][1:] for each in expected.values()
    ]
    await eventually(lambda: plane.get("proxies/web-7")["state"] == "SYNCED")
    lines = plane.run("endpoints", "shop/cart", "--from", "web-7").splitlines()
    assert lines[0] == "for proxy web-7 in shop at a"
    assert lines[1].split()[5:7] == ["PRIORITY", "SHARE"]
    assert [line.split()[5:8] for line in lines[2:4]] == [["0", "100", "%"], ["1", "0", "%"]]


async def test_for_a_client_that_may_not_see_a_service_that_is_why_its_endpoints_are_not_called(
    plane, eventually
) -> None:
    plane.write("pay.json", service("payments", "10.1.7.1", annotations={"pilothouse.dev/export-to": "shop"}))
    await eventually(lambda: plane.get("services", search="payments")["items"])
    row = lambda namespace: plane.get("endpoints", service="shop/payments", namespace=namespace)["items"][0]  # noqa: E731
    assert (row("shop")["called"], row("shop")["shares"][0]["share"]) == ("yes", 100.0)
    found = row("front")
    assert (found["called"], [why["code"] for why in found["reasons"]]) == ("no", ["not-exported"])
    assert found["shares"] == [{"port": 80, "share": 0.0, "weight": 1}]


def test_a_list_of_endpoints_for_a_client_that_cannot_be_is_refused(plane) -> None:
    assert "proxy: " in plane.get("endpoints", 400, proxy="web-7", namespace="shop")["error"]
    assert "there is no proxy web-9" in plane.get("endpoints", 404, proxy="web-9")["error"]
    assert "--locality: must be REGION" in plane.run("endpoints", "--locality", "a/b/c/d", status=2)
    assert "shares" not in plane.get("endpoints")["items"][0]
